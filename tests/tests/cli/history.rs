//! What is remembered of acts: by disk, in a bounded file that is only a cache, and in the system's log.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::Exit;
use tests::device::Device;
use tests::loop_board::Board;
use tests::loop_device::LoopDevice;
use tests::superuser;

fn board() -> Board {
    Board::new(BlockSize::B512)
}

/// A line of shell on the files of the board's system, `$1`.
fn shell(board: &Board, script: &str) -> String {
    superuser::run("sh", &["-ec", script, "sh", board.system.path().to_str().unwrap()])
}

/// The acts on a disk, the newest last.
fn log_of(board: &Board, disk: &str) -> Vec<Value> {
    let answer = board.run_on(&["--disk", disk], "umask 022", &["--json", "log", "--lines", "1000"]);
    answer.exits(Exit::Done).json()["entries"].as_array().unwrap().clone()
}

/// The result of the last installation, as `status` has it.
fn last_result(board: &Board, disk: &str) -> Value {
    board.run_on(&["--disk", disk], "umask 022", &["--json", "status"]).exits(Exit::Done).json()["last_result"].clone()
}

/// Of each act: verb, class, slot, version.
fn told(entries: &[Value]) -> Vec<String> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("-").to_owned();
    let line = |entry: &Value| ["verb", "class", "slot", "version"].map(|key| text(entry, key)).join(" ");
    entries.iter().map(line).collect()
}

/// Every line of the file.
fn lines_of(board: &Board) -> Vec<Value> {
    let text = fs::read_to_string(board.system.path().join("lib/updater/history.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What `log --verify` says of a file that fits together.
fn verified(board: &Board) -> Value {
    board.run(&["log", "--verify", "--json"]).exits(Exit::Done).json()
}

#[test]
fn each_act_on_a_device_leaves_one_entry() {
    let board = board();
    let bundle = board.device.workshop.bundle_text(2);
    let node = board.node.text();
    let acts: [(&[&str], Exit); 13] = [
        (&["--booted", "a", "install", "--dry-run", &bundle], Exit::Done),
        (&["--booted", "a", "install", "--no-activate", &bundle], Exit::Done),
        (&["--booted", "a", "activate"], Exit::Done),
        (&["--booted", "a", "cancel"], Exit::Done),
        (&["--booted", "a", "install", &bundle], Exit::Done),
        (&["--booted", "a", "install", &bundle], Exit::Nothing),
        (&["--booted", "none", "choose", "--spend"], Exit::Done),
        (&["--booted", "b", "mark-good"], Exit::Done),
        (&["--booted", "b", "rollback"], Exit::Done),
        (&["--booted", "b", "mark-bad", "--slot", "a"], Exit::Done),
        (&["repair"], Exit::Done),
        (&["install", &bundle], Exit::Usage),
        (&["provision", &bundle], Exit::Disk),
    ];
    for (act, exit) in acts {
        board.run(act).exits(exit);
    }
    let entries = log_of(&board, node);
    let wanted = [
        "install done b 2.0",
        "activate done b 2.0",
        "cancel done b 2.0",
        "install done b 2.0",
        "install nothing-to-do b 2.0",
        "mark-good done b 2.0",
        "rollback done a 1.0",
        "mark-bad done a 1.0",
        "repair done - -",
        "install usage - -",
        "provision disk a 2.0",
    ];
    assert_eq!(told(&entries), wanted);
    for entry in &entries {
        assert_eq!((entry["disk"].as_str(), entry["disk_guid"].as_str()), (Some(node), Some(board.guid().as_str())));
        assert!(entry["boot_id"].as_str().unwrap().len() == 36 && entry["time"].as_str().unwrap().ends_with('Z'));
        assert_eq!(entry["why"] == "", entry["code"] == 0, "{entry}");
    }
    assert_eq!((&entries[0]["total_bytes"], &entries[0]["kept_bytes"]), (&2_142_208.into(), &0.into()));
    // For people; the last installation is the one that status shows.
    let table = board.run(&["log", "--lines", "3"]).exits(Exit::Done);
    assert_eq!(table.stdout().lines().count(), 4, "{table}");
    assert!(table.stdout().contains("provision   a     2.0             disk "), "{table}");
    assert_eq!(last_result(&board, node)["class"], "usage");
    let words = board.run(&["status"]).exits(Exit::Done);
    assert!(words.stdout().contains("last result    install: usage: it is not known which slot is running"), "{words}");
}

/// A busy disk, a bundle that ends too early, and a disk that is not there.
#[test]
fn what_was_only_tried_is_recorded_with_its_reason() {
    let board = board();
    let cut = board.device.workshop.altered(|bytes| bytes.truncate(1 << 20));
    board.run(&["--booted", "a", "install", &cut]).exits(Exit::NotAuthentic);
    let busy = "mkdir -p /run/updater && exec 9>/run/updater/lock && flock 9";
    board.run_as(busy, &["--booted", "a", "mark-good"]).exits(Exit::Busy);
    drop(board.run_on(&["--disk", "/dev/nowhere"], "umask 022", &["repair"]));
    let entries = log_of(&board, board.node.text());
    assert_eq!(told(&entries), ["install not-authentic b 2.0", "mark-good busy - -"]);
    assert_eq!(entries[0]["why"], "the bundle ends too early");
    assert_eq!(log_of(&board, board.node.text()).len(), 2);
}

/// The GUID of a disk's table says whose an entry is; a copy of the disk has the same one, and is another disk all the same.
#[test]
fn the_result_of_one_disk_never_shows_for_another() {
    let board = board();
    let twin = board.device.put_file("twin.img", &board.device.bytes());
    let twin = LoopDevice::over(&twin, BlockSize::B512);
    let other = Device::new();
    superuser::run("sgdisk", &["--disk-guid=11111111-2222-4333-8444-555555555555", other.disk().to_str().unwrap()]);
    let other = LoopDevice::over(other.disk(), BlockSize::B512);
    let disks = [board.node.text(), twin.text(), other.text()];
    let bundle = board.device.workshop.bundle_text(2);
    let install =
        |disk: &str, bundle: &str| board.run_on(&["--disk", disk], "umask 022", &["--booted", "a", "install", bundle]);
    install(disks[0], &bundle).exits(Exit::Done);
    assert_eq!(disks.map(|disk| last_result(&board, disk)["class"].clone()), ["done".into(), Value::Null, Value::Null]);
    install(disks[2], &board.device.workshop.altered(|bytes| bytes.truncate(1 << 20))).exits(Exit::NotAuthentic);
    let classes = ["done".into(), Value::Null, "not-authentic".into()];
    assert_eq!(disks.map(|disk| last_result(&board, disk)["class"].clone()), classes);
    assert_eq!(disks.map(|disk| log_of(&board, disk).len()), [1, 0, 1]);
    let all = board.run(&["log", "--all-disks", "--json"]).exits(Exit::Done).json();
    assert_eq!((all["entries"].as_array().unwrap().len(), &all["disk"]), (2, &Value::Null));
    let nothing = board.run_on(&["--disk", disks[1]], "umask 022", &["log"]).exits(Exit::Done);
    assert!(nothing.stdout().contains("no act on this disk is recorded (/var/lib/updater/history.jsonl)"), "{nothing}");
    // A disk whose node has another name today, as after a boot: its entries are still its own.
    shell(&board, "sed -i s,/dev/loop[0-9]*,/dev/renamed,g $1/lib/updater/history.jsonl");
    assert_eq!(last_result(&board, disks[0])["disk"], "/dev/renamed");
    assert_eq!(last_result(&board, disks[2])["class"], "not-authentic");
}

/// A disk image file is made for another machine.
#[test]
fn a_disk_image_file_has_no_history() {
    let device = Device::new();
    device.installs(2);
    assert_eq!(device.status()["last_result"], Value::Null);
    let log = device.does(&["log"]);
    assert_eq!(log["entries"], Value::Array(Vec::new()));
    assert!(log["why"].as_str().unwrap().contains("a disk image file has no history"), "{log}");
}

/// No room, no right to write, no folder: the act is done all the same, and says what is missing.
#[test]
fn a_var_that_takes_nothing_fails_no_act() {
    let full = "mount -t tmpfs -o size=64k tmpfs /var/lib && { cat /dev/zero >/var/lib/fill 2>/dev/null; true; }";
    let half = "mount -t tmpfs -o size=64k tmpfs /var/lib && mkdir -p /var/lib/updater && : >/var/lib/updater/history.jsonl && \
        { cat /dev/zero >/var/lib/fill 2>/dev/null; true; }";
    let read_only = "mount -t tmpfs -o ro tmpfs /var/lib";
    let file = "mount -t tmpfs tmpfs /var/lib && : >/var/lib/updater";
    let limited = "ulimit -f 0; trap '' XFSZ";
    for before in [full, half, read_only, file] {
        let board = board();
        let bundle = board.device.workshop.bundle_text(2);
        let answer = board.run_as(before, &["--booted", "a", "install", &bundle]).exits(Exit::Done);
        let answer = answer.says("the act could not be recorded in /var/lib/updater/history.jsonl: ");
        assert!(answer.stdout().contains("slot b boots next"), "{before}: {answer}");
        board.run_as(before, &["--booted", "a", "mark-good"]).exits(Exit::Done);
    }
    let board = board();
    board.run_as(limited, &["--booted", "a", "mark-good"]).exits(Exit::Done).says("could not be recorded");
}

/// What somebody put there: it is skipped, bounded, and gives way to entries.
#[test]
fn what_is_no_history_misleads_nobody() {
    let board = board();
    let node = board.node.text();
    let file = "$1/lib/updater/history.jsonl";
    let acts = || {
        board.run(&["--booted", "a", "mark-good"]).exits(Exit::Done);
    };
    let log = || board.run(&["--json", "log"]).exits(Exit::Done);
    acts();
    shell(&board, &format!("printf '\\033[2J{{\\n[1]\\nnull\\n\\377\\n' >>{file}; printf '{{\"time\":' >>{file}"));
    log().says("5 lines of /var/lib/updater/history.jsonl are no entries and are skipped");
    // The line that is torn is finished as one that is skipped.
    acts();
    assert_eq!((log_of(&board, node).len(), &log().json()["skipped_lines"]), (2, &5.into()));
    shell(&board, &format!("head -c 10000000 /dev/urandom >>{file}"));
    assert_eq!(log().json()["entries"], Value::Array(Vec::new()));
    assert_eq!(last_result(&board, node), Value::Null);
    acts();
    assert_eq!(log_of(&board, node).len(), 1);
    assert!(shell(&board, &format!("stat -c %s {file}")).parse::<u64>().unwrap() < 3000);
    // What is no file is neither waited for nor written through.
    shell(&board, &format!("rm {file}; mkfifo {file}"));
    board.run(&["log"]).exits(Exit::Io).says("it is not a regular file").says("remove it");
    board.run(&["--booted", "a", "status"]).exits(Exit::Done);
    acts();
    assert_eq!(log_of(&board, node).len(), 1);
    shell(&board, &format!("echo precious >$1/victim; rm {file}; ln -s $1/victim {file}"));
    acts();
    assert_eq!((log_of(&board, node).len(), shell(&board, "cat $1/victim").as_str()), (1, "precious"));
}

/// However many acts there were, the file stays within its bound; the newest are there, and the last installation.
#[test]
fn many_acts_stay_within_the_bound() {
    let board = board();
    let (bundle, node) = (board.device.workshop.bundle_text(2), board.node.text());
    board.run(&["--booted", "a", "install", &bundle]).exits(Exit::Done);
    board.run(&["--booted", "a", "rollback", "--slot", "a"]).exits(Exit::Done);
    // The rest of 64 KiB, in entries as the program writes them.
    let fill = "cd $1/lib/updater; line=$(tail -n 1 history.jsonl); \
        while [ $(stat -c %s history.jsonl) -lt 65000 ]; do echo \"$line\"; done >>history.jsonl";
    for _ in 0..5 {
        shell(&board, fill);
        let before = log_of(&board, node).len();
        (0..3).for_each(|_| drop(board.run(&["--booted", "a", "mark-good"]).exits(Exit::Done)));
        let size: u64 = shell(&board, "stat -c %s $1/lib/updater/history.jsonl").parse().unwrap();
        let entries = log_of(&board, node);
        assert!(size < 40_000 && (30..before).contains(&entries.len()), "{size} bytes, {} of {before}", entries.len());
        assert!(entries.iter().rev().take(3).all(|entry| entry["verb"] == "mark-good"));
        assert_eq!(last_result(&board, node)["version"], "2.0");
    }
}

/// Each of acts that begin at the same time leaves its entry, whether it had the disk or found it busy.
#[test]
fn acts_at_the_same_time_lose_no_entry() {
    let board = board();
    let together = "for n in 1 2 3 4 5 6 7; do \"$@\" >/dev/null 2>&1 & done; { \"$@\" >/dev/null 2>&1; wait; true; }";
    // The lock keeps seven of them out, which say so at once; whoever comes late has it for itself.
    drop(board.run_as(together, &["--booted", "a", "mark-good"]));
    let entries = log_of(&board, board.node.text());
    // The eight, and the one that the shell itself becomes.
    assert_eq!(entries.len(), 9, "{entries:?}");
    assert!(entries.iter().all(|entry| entry["class"] == "done" || entry["class"] == "busy"), "{entries:?}");
    assert_eq!(verified(&board)["linked_lines"], 18);
}

/// A `/dev` with a `log` that the test listens at.
fn dev_with(board: &Board, socket: &str) -> String {
    let (system, node) = (board.system.path().display(), board.node.text());
    format!(
        "mkdir -p {system}/dev && mount -t tmpfs tmpfs {system}/dev && \
         for node in null zero random urandom {}; do \
         : >{system}/dev/$node; mount --bind /dev/$node {system}/dev/$node || exit 1; done && \
         ln -s {socket} {system}/dev/log && mount --rbind {system}/dev /dev",
        node.trim_start_matches("/dev/")
    )
}

#[test]
fn the_systems_log_hears_of_each_act() {
    let board = board();
    let socket = board.system.path().join("socket");
    let log = UnixDatagram::bind(&socket).unwrap();
    superuser::run("chmod", &["666", socket.to_str().unwrap()]);
    log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let heard = || {
        let mut bytes = [0; 4096];
        let len = log.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    };
    let dev = dev_with(&board, socket.to_str().unwrap());
    let bundle = board.device.workshop.bundle_text(2);
    board.run_as(&dev, &["--booted", "a", "install", &bundle]).exits(Exit::Done);
    let (node, guid) = (board.node.text(), board.guid());
    let (start, end) = (heard(), heard());
    let disk = format!("disk={node} disk_guid={guid} booted=a slot=b from_state=empty version=2.0");
    assert!(start.starts_with("<30>updater-cli["), "{start}");
    assert!(start.contains(&format!("]: verb=install event=start {disk} ")) && start.ends_with(" uid=0"), "{start}");
    let wanted =
        format!("]: verb=install event=end class=done code=0 {disk} to_state=trial total_bytes=2142208 kept_bytes=0 ");
    assert!(end.starts_with("<30>updater-cli[") && end.contains(&wanted), "{end}");
    board.run_as(&dev, &["--booted", "a", "mark-bad", "--slot", "a"]).exits(Exit::Refused);
    assert!(heard().starts_with("<30>"));
    let line = heard();
    assert!(line.starts_with("<27>") && line.contains("class=refused code=3") && line.contains(" why=\""), "{line}");
    // A log that nobody reads any more.
    drop(log);
    board.run_as(&dev, &["--booted", "a", "cancel"]).exits(Exit::Done);
    fs::remove_file(&socket).unwrap();
    assert_eq!(log_of(&board, node).len(), 3);
}

/// The real daemon reads program, severity and words.
#[test]
fn journald_shows_each_act() {
    let board = board();
    let dev = dev_with(&board, "/run/systemd/journal/dev-log");
    let daemon = "{ mkdir -p /run/log/journal; /usr/lib/systemd/systemd-journald >/dev/null 2>&1 & daemon=$!; \
        for turn in $(seq 200); do [ -S /run/systemd/journal/dev-log ] || sleep 0.05; done; \
        \"$@\" >/dev/null 2>&1; \"$@\" --slot a >/dev/null 2>&1; journalctl --sync; \
        journalctl -D /run/log/journal -t updater-cli --no-pager -o json --output-fields=PRIORITY,SYSLOG_FACILITY,MESSAGE,MESSAGE_ID,UPDATER_VERB,UPDATER_HASH; \
        kill $daemon; exit 0; }";
    let told = board.run_as(&format!("{dev} && {daemon}"), &["--booted", "a", "mark-good"]).exits(Exit::Done);
    let told: Vec<Value> = told.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    let ids: Vec<&Value> = told.iter().map(|line| &line["MESSAGE_ID"]).collect();
    assert!(ids[0] == ids[2] && ids[1] == ids[3] && ids[0] != ids[1] && ids.iter().all(|id| id.is_string()), "{ids:?}");
    for (line, entry) in told.iter().zip(lines_of(&board)) {
        assert_eq!((&line["PRIORITY"], &line["SYSLOG_FACILITY"]), (&"6".into(), &"3".into()), "{line}");
        assert_eq!((&line["UPDATER_VERB"], &line["UPDATER_HASH"]), (&"mark-good".into(), &entry["hash"]), "{line}");
        let words = line["MESSAGE"].as_str().unwrap();
        let wanted =
            ["verb=mark-good event=start disk=/dev/loop", "verb=mark-good event=end class=done code=0 disk=/dev/loop"];
        assert!(wanted.iter().any(|wanted| words.starts_with(wanted)), "{words}");
    }
}
