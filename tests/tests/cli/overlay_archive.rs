//! `overlay backup` and `overlay restore`: the same tree again, and archives of other kinds.

use serde_json::json;
use tests::answer::Exit;
use tests::overlay::{after, board, listed};

#[test]
fn a_backup_is_the_same_again_and_gives_the_same_tree() {
    let board = board();
    let look = "(cd /usr && find bin share/perl5 share/updater-d -printf '%p %y %m %U %G %l\\n' | sort; cat share/updater-d/f; getfattr -d share/updater-d/f 2>/dev/null || true)";
    let script = format!(
        "q overlay create --keep boot --name one
        mkdir -m 711 /usr/share/updater-d; echo text >/usr/share/updater-d/f; chown 7:8 /usr/share/updater-d/f; chmod 4711 /usr/share/updater-d/f
        touch -d 2001-01-01 /usr/share/updater-d/f; setfattr -n user.x -v y /usr/share/updater-d/f 2>/dev/null || true
        ln -s f /usr/share/updater-d/link; rm /usr/bin/head; rm -r /usr/share/perl5; mkdir /usr/share/perl5; echo y >/usr/share/perl5/y
        q overlay backup one -o /run/one; q overlay backup one -o /run/two; cmp /run/one /run/two
        ! u overlay backup one -o /run/two 2>/dev/null; q overlay backup one -o /run/two --force
        {look} >/run/before; q overlay remove one; test -e /usr/bin/head
        {{ u overlay restore /run/one || C=$?; }} 2>/run/said; test $C = 3; grep -q 'is setuid or setgid' /run/said
        q overlay restore --force /run/one; {look} >/run/after; diff /run/before /run/after
        q overlay restore --force --name other /run/one"
    );
    let rows = listed(&board, &script, "");
    assert_eq!((&rows[0]["name"], &rows[1]["name"], &rows[1]["removed"]), (&json!("one"), &json!("other"), &json!(1)));
}

/// An archive by the hand of somebody who means ill.
const BAD: &str = "
import io, sys, tarfile
kind = sys.argv[1]
t = tarfile.open(sys.argv[2], 'w', format=tarfile.PAX_FORMAT)
def add(name, type=tarfile.REGTYPE, data=b'', link='', mode=0o644, major=0, attribute=None):
    i = tarfile.TarInfo(name); i.pax_headers = {'SCHILY.xattr.' + attribute[0]: attribute[1]} if attribute else {}; i.type = type; i.size = len(data); i.linkname = link; i.mode = mode; i.devmajor = major
    t.addfile(i, io.BytesIO(data))
head = b'{\"name\":\"bad\",\"scope\":\"usr\",\"keep\":\"none\",\"priority\":0,\"enabled\":true,\"read_only\":false,\"size_bytes\":null,\"root_hash\":null,\"off\":null}'
if kind == 'head': head = b'{}'
if kind == 'priority': head = head.replace(b'\"priority\":0', b'\"priority\":101')
if kind == 'etc': head = head.replace(b'\"usr\"', b'\"etc\"')
if kind == 'name': head = head.replace(b'\"bad\"', b'\"../bad\"')
if kind != 'headless': add('overlay.json', data=head)
add('upper', tarfile.DIRTYPE, mode=0o755)
if kind == 'outside': add('lower/x')
if kind == 'dots': add('upper/../../../../etc/updater-x')
if kind == 'absolute': add('/etc/updater-x')
if kind == 'link': add('upper/share', tarfile.SYMTYPE, link='/etc'); add('upper/share/updater-x', data=b'x')
if kind == 'hard': add('upper/x', tarfile.LNKTYPE, link='/etc/passwd')
if kind == 'device': add('upper/x', tarfile.CHRTYPE, major=1)
if kind == 'fifo': add('upper/x', tarfile.FIFOTYPE)
if kind == 'redirect': add('upper/d', tarfile.DIRTYPE, mode=0o755, attribute=('trusted.overlay.redirect', '/etc'))
if kind == 'opaque': add('upper/d', tarfile.DIRTYPE, mode=0o755, attribute=('trusted.overlay.opaque', 'x'))
if kind == 'rights': add('upper/x', attribute=('security.capability', 'any'))
if kind == 'twice': add('upper/x'); add('upper/x', data=b'x')
if kind == 'order': add('upper/d/x')
t.close()
";

#[test]
fn an_archive_of_another_kind_is_refused_and_leaves_nothing() {
    let board = board();
    let script = board.device.put_file("bad.py", BAD.as_bytes());
    let kinds = [
        "head", "name", "headless", "outside", "dots", "absolute", "link", "hard", "device", "fifo", "order",
        "redirect", "opaque", "priority",
    ];
    for kind in kinds {
        let make = format!("python3 {} {kind} /run/bad.tar; zstd -q -f /run/bad.tar -o /run/bad", script.display());
        after(&board, &make, &["restore", "/run/bad"]).exits(Exit::NotAuthentic).says("it is no archive of an overlay");
        assert!(!std::path::Path::new("/etc/updater-x").exists());
        assert_eq!(listed(&board, "true", ""), json!([]), "{kind}");
    }
    // Of its kind, and not taken all the same.
    for (kind, why) in [("rights", "has capabilities"), ("etc", "/etc can be written as it is")] {
        let make = format!("python3 {} {kind} /run/bad.tar; zstd -q -f /run/bad.tar -o /run/bad", script.display());
        after(&board, &make, &["restore", "/run/bad"]).exits(Exit::Refused).says(why);
        assert_eq!(listed(&board, "true", ""), json!([]), "{kind}");
    }
    let twice = format!("python3 {} twice /run/bad.tar; zstd -q -f /run/bad.tar -o /run/bad", script.display());
    after(&board, &twice, &["restore", "/run/bad"]).exits(Exit::Io).says("File exists");
    for make in ["head -c 3000 /dev/urandom >/run/bad", ": >/run/bad", "zstd -q -f /bin/true -o /run/bad"] {
        after(&board, make, &["restore", "/run/bad"]).exits(Exit::NotAuthentic);
    }
    // A whole one, cut short, and one whose every hundredth byte is another one.
    let whole = "q overlay create --keep boot --name w; cp /usr/bin/env /usr/share/updater-env; q overlay backup w -o /run/w --force; q overlay remove w";
    for cut in ["head -c 1000 /run/w >/run/bad", "tr '\\012' 'x' </run/w >/run/bad"] {
        board.boots("", "");
        after(&board, &format!("{whole}; {cut}"), &["restore", "/run/bad"]).exits(Exit::NotAuthentic);
        assert_eq!(listed(&board, "true", ""), json!([]), "{cut}");
    }
    after(&board, "true", &["restore", "/run/nowhere"]).exits(Exit::Usage);
}
