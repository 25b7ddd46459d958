//! What a guest's console says: which lines a reader sees, and whether they are what had to come.

/// Lines for the reader begin so: the hook's, and those of the roots' init.
const TOLD: [&str; 2] = ["updater: ", super::SAYS];
/// Or hold this: the kernel's, of which the rest is registers and addresses.
const OF_THE_KERNEL: [&str; 2] = ["Kernel panic - not syncing: ", "Rebooting in "];
/// What the hook says once in each boot, as it hands over.
pub const BOOTS: &str = " boots: version ";
/// Lines of the end that tell why a guest went astray.
const END: usize = 12;

/// Whether a line tells of the boot.
pub fn tells(line: &str) -> bool {
    TOLD.iter().any(|start| line.starts_with(start)) || OF_THE_KERNEL.iter().any(|words| line.contains(words))
}

/// Whether the hook has been heard.
pub fn has_begun(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with("updater: "))
}

/// Of what had to be said, one after the other, the first that was not. All the boots are among it: another one is one too many.
pub fn astray(lines: &[String], wanted: &[String]) -> Option<String> {
    let mut rest = lines.iter();
    if let Some(missing) = wanted.iter().find(|words| !rest.any(|line| line.contains(*words))) {
        return Some(format!("the console never said \"{missing}\", or not in its place"));
    }
    let boots = |lines: &[String]| lines.iter().filter(|line| line.contains(BOOTS)).count();
    let (seen, due) = (boots(lines), boots(wanted));
    (seen != due).then(|| format!("the guest booted {seen} times, and {due} times were due"))
}

/// The end of what was said.
pub fn end(lines: &[String]) -> Vec<String> {
    lines.get(lines.len().saturating_sub(END)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn registers_are_left_out() {
        let said = [
            "updater: slot b boots: version 2.0, trial, 2 tries left",
            "Demo OS 2.0: init ends",
            "[    2.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
            "[    2.2] CPU: 0 PID: 1 Comm: init Not tainted",
            "[    2.2] RIP: 0033:0x4000ae",
            "[    2.3] Rebooting in 1 seconds..",
        ];
        let told: Vec<bool> = said.iter().map(|line| tells(line)).collect();
        assert_eq!(told, [true, true, true, false, false, true]);
    }

    #[test]
    fn what_does_not_come_or_comes_too_often_is_found() {
        let said = lines(&["updater: slot b boots: version 2.0, trial", "x", "updater: slot a boots: version 1.0"]);
        let wanted = |text: &[&str]| astray(&said, &lines(text));
        assert_eq!(wanted(&["slot b boots: version 2.0", "slot a boots: version 1.0"]), None);
        let why = wanted(&["slot a boots: version 1.0", "slot b boots: version 2.0"]).unwrap();
        assert!(why.contains("never said \"slot b boots: version 2.0\""), "{why}");
        assert_eq!(wanted(&["slot a boots: version 1.0"]).unwrap(), "the guest booted 2 times, and 1 times were due");
        assert!(astray(&[], &lines(&["x"])).is_some() && !has_begun(&[]) && has_begun(&said));
    }

    #[test]
    fn the_end_is_short() {
        let said: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        assert_eq!((end(&said).len(), end(&said)[11].as_str(), end(&said[..3]).len()), (12, "29", 3));
    }
}
