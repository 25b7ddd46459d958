//! The chain of the history: a start and an end for each act, who did it, and every way in which a line may be lost or changed.

use std::fs;
use std::path::PathBuf;

use libupdate::BlockSize;
use serde_json::Value;
use tests::answer::{Answer, Exit};
use tests::loop_board::Board;
use tests::superuser;

/// A board with three acts in its history, and the file.
fn board() -> (Board, PathBuf) {
    let board = Board::new(BlockSize::B512);
    let file = board.system.path().join("lib/updater/history.jsonl");
    let bundle = board.device.workshop.bundle_text(2);
    board.run(&["--booted", "a", "install", &bundle]).exits(Exit::Done);
    board.run(&["--booted", "a", "mark-bad", "--slot", "a"]).exits(Exit::Refused);
    board.run(&["--booted", "a", "cancel"]).exits(Exit::Done);
    (board, file)
}

fn act(board: &Board) {
    board.run(&["--booted", "a", "mark-good"]).exits(Exit::Done);
}

fn verify(board: &Board) -> Answer {
    board.run(&["log", "--verify"])
}

fn lines(file: &PathBuf) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn write(file: &PathBuf, lines: &[String]) {
    fs::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn each_act_leaves_one_start_and_one_end_with_who_and_what() {
    let (board, file) = board();
    let lines: Vec<Value> = lines(&file).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or("-").to_owned();
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            ["verb", "event", "booted", "slot", "from_version", "from_state", "version", "to_state", "class"]
                .map(|key| text(line, key))
                .join(" ")
        })
        .collect();
    let wanted = [
        "install start a b - empty 2.0 - -",
        "install end a b - empty 2.0 trial done",
        "mark-bad start a a 1.0 good 1.0 - -",
        "mark-bad end a a 1.0 good 1.0 - refused",
        "cancel start a b 2.0 trial 2.0 - -",
        "cancel end a b 2.0 trial 2.0 disarmed done",
    ];
    assert_eq!(told, wanted);
    for line in &lines {
        assert_eq!((&line["uid"], line["process"].is_u64()), (&0.into(), true), "{line}");
    }
    // Each by the one before, and the tool of the system agrees about the hashes.
    let mut before = "0".repeat(64);
    for (line, bytes) in lines.iter().zip(self::lines(&file)) {
        assert_eq!(line["previous"], before.as_str());
        let hash = line["hash"].as_str().unwrap();
        let body = bytes.replace(&format!(",\"hash\":\"{hash}\""), "");
        let sum = superuser::run("sh", &["-c", "printf %s \"$1\" | sha256sum | cut -d ' ' -f 1", "sh", &body]);
        assert_eq!(sum, hash);
        before = hash.to_owned();
    }
    let told = verify(&board).exits(Exit::Done);
    assert!(told.stdout().contains(&format!("6 lines fit together\nhash of the last line: {before}")), "{told}");
}

/// Who logged in, in the kernel's audit, and who runs it; a start that no end follows, as after a power cut.
#[test]
fn an_act_that_was_cut_is_shown_by_its_start() {
    let (board, file) = board();
    let whole = lines(&file);
    write(&file, &whole[..5]);
    let shown = board.run(&["log"]).exits(Exit::Done);
    let last = shown.stdout().lines().last().unwrap();
    assert!(last.contains("cancel") && last.contains("not ended"), "{shown}");
    assert_eq!(verify(&board).exits(Exit::Done).stdout().lines().count(), 2);
    act(&board);
    let entries = board.run(&["log", "--json"]).exits(Exit::Done).json()["entries"].clone();
    let told: Vec<Value> = entries.as_array().unwrap().iter().map(|entry| entry["event"].clone()).collect();
    assert_eq!(told, ["end", "end", "start", "end"]);
    verify(&board).exits(Exit::Done);
}

#[test]
fn a_line_that_was_changed_or_taken_is_named() {
    let (board, file) = board();
    let whole = lines(&file);
    let mut cases = Vec::new();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] = changed[at].replace("\"uid\":0", "\"uid\":7");
        cases.push((changed, at + 1));
    }
    for at in 0..whole.len() - 1 {
        let mut taken = whole.clone();
        taken.remove(at);
        cases.push((taken, at + 1));
    }
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    cases.push((swapped, 2));
    let mut added = whole.clone();
    added.insert(3, "{}".to_owned());
    cases.push((added, 5));
    for (lines, named) in cases {
        write(&file, &lines);
        let answer = verify(&board).exits(Exit::NotAuthentic);
        let words = format!("/var/lib/updater/history.jsonl does not fit together: line {named}: ");
        answer.says(&words).says("journalctl -t updater-cli");
    }
    // A cache that does not fit keeps nobody from an act, nor from reading it.
    act(&board);
    board.run(&["log"]).exits(Exit::Done);
    verify(&board).exits(Exit::NotAuthentic);
    fs::remove_file(&file).unwrap();
    verify(&board).exits(Exit::Done);
    act(&board);
    verify(&board).exits(Exit::Done);
}

/// Half a line, a line end that is missing, zeros in the place of what was not written: told, and the chain goes on.
#[test]
fn a_torn_line_is_told_and_the_chain_goes_on_after_it() {
    let (board, file) = board();
    let whole = fs::read(&file).unwrap();
    let endless = &whole[..whole.len() - 1];
    let torn: [&[u8]; 3] =
        [&whole[..whole.len() - 100], &[&whole[..], &[0; 700]].concat(), &[endless, &[0; 4096]].concat()];
    for (torn, named) in torn.into_iter().zip([6, 7, 6]) {
        fs::write(&file, torn).unwrap();
        for _ in 0..2 {
            verify(&board)
                .exits(Exit::Done)
                .says(&format!("line {named} of /var/lib/updater/history.jsonl is no entry"));
            act(&board);
        }
        // What is torn cannot be changed any more.
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let changed: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(at, line)| if at + 1 == named { "x".to_owned() } else { line.to_owned() })
            .collect();
        write(&file, &changed);
        verify(&board).exits(Exit::NotAuthentic).says(&format!("line {}: it does not follow line {named}", named + 1));
    }
    fs::write(&file, endless).unwrap();
    act(&board);
    assert!(!verify(&board).exits(Exit::Done).stderr().contains("no entry"));
}

/// A file that an earlier version of the program has left.
#[test]
fn a_history_of_the_earlier_form_is_read_and_goes_on() {
    let board = Board::new(BlockSize::B512);
    let file = board.system.path().join("lib/updater/history.jsonl");
    let (node, guid) = (board.node.text(), board.guid());
    let earlier = format!(
        r#"{{"time":"2026-11-01T00:00:00Z","verb":"install","disk":"{node}","disk_guid":"{guid}","slot":"b","version":"0.9","code":0,"class":"done","why":"","total_bytes":7,"kept_bytes":0,"boot_id":null}}"#
    );
    fs::create_dir(file.parent().unwrap()).unwrap();
    write(&file, &[earlier.clone(), earlier]);
    let status = board.run(&["--booted", "a", "status", "--json"]).exits(Exit::Done).json();
    assert_eq!(status["last_result"]["version"], "0.9");
    act(&board);
    let told = verify(&board).exits(Exit::Done);
    assert!(told.stdout().contains("2 lines fit together, and 2 of an earlier form"), "{told}");
    let entries = board.run(&["log", "--json"]).exits(Exit::Done).json()["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 3);
    let since = board.run(&["log", "--json", "--since", "2026-11-02"]).exits(Exit::Done).json();
    assert_eq!((since["entries"].as_array().unwrap().len(), &since["entries"][0]["verb"]), (1, &"mark-good".into()));
    let later = board.run(&["log", "--since", "2999-01-01T00:00:00Z"]).exits(Exit::Done);
    assert!(later.stdout().contains("no act is recorded since then"), "{later}");
    board.run(&["log", "--since", "yesterday"]).exits(Exit::Usage).says("2026-11-29T13:46:48Z");
    // What was there before the chain cannot be changed any more.
    superuser::run("sed", &["-i", "1s/0.9/0.8/", file.to_str().unwrap()]);
    verify(&board).exits(Exit::NotAuthentic).says("line 3: it does not follow line 2");
}

/// Without room the act is done, and says so; with room again the chain goes on.
#[test]
fn a_disk_that_was_full_breaks_no_chain() {
    let board = Board::new(BlockSize::B512);
    let life = "mount -t tmpfs -o size=64k tmpfs /var/lib && act() { \"$@\" >/dev/null 2>&1; } && act \"$@\" && \
        { cat /dev/zero >/var/lib/fill 2>/dev/null; true; } && \
        for n in 1 2 3 4 5 6 7 8; do \"$@\" 2>>/run/full >/dev/null || exit; done && rm /var/lib/fill && act \"$@\" && \
        (trap '' XFSZ; ulimit -f 1; exec \"$@\" 2>/run/limited >/dev/null) && act \"$@\" && cp -r /var/lib/updater /run/copy";
    board.run_as(life, &["--booted", "a", "mark-good"]).exits(Exit::Done);
    let run = board.system.path().join("run");
    let warnings = |name: &str| {
        let said = fs::read_to_string(run.join(name)).unwrap();
        said.matches("the act could not be recorded in /var/lib/updater/history.jsonl: ").count()
    };
    // The page that the file has already takes some more.
    assert!((4..=8).contains(&warnings("full")) && warnings("limited") == 1);
    let [copy, place] = [run.join("copy"), board.system.path().join("lib/updater")];
    superuser::run("cp", &["-r", copy.to_str().unwrap(), place.to_str().unwrap()]);
    let linked = verify(&board).exits(Exit::Done);
    assert!(linked.stdout().contains(" lines fit together"), "{linked}");
}

/// Acts at the same time, and a file that is made shorter again and again under them.
#[test]
fn acts_at_the_same_time_and_a_full_file_break_no_chain() {
    let board = Board::new(BlockSize::B512);
    let together = "for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do for n in 1 2 3 4; do \"$@\" >/dev/null 2>&1 & done; wait; done";
    drop(board.run_as(together, &["--booted", "a", "mark-good"]));
    let file = board.system.path().join("lib/updater/history.jsonl");
    let carried = || lines(&file).iter().filter(|line| line.contains("\"kept\":")).count();
    assert!(carried() == 1 && fs::metadata(&file).unwrap().len() <= 65536);
    verify(&board).exits(Exit::Done);
    let mut whole = lines(&file);
    whole.remove(0);
    write(&file, &whole);
    verify(&board).exits(Exit::NotAuthentic).says("line 1: it and those up to line ");
}
