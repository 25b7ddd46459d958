//! The same for firmware in C: what `libupdate.h` has to know of a board, as a header that its command includes.
//!
//! It is written from the profile, so that the two do not differ; and a compiler judges nothing that a profile's reader has not.

use std::fmt::Write as _;

use libupdate::bundle::Anchors;
use libupdate::slot::Duty;
use libupdate_linux::profile::{Profile, SlotPartition};

/// The header.
pub fn of(profile: &Profile, anchors: &Anchors) -> String {
    let partitions: String = profile.partitions.iter().map(partition).collect();
    let keys: String = anchors.keys().iter().map(|key| one_key(&key.to_spki())).collect();
    format!(
        "/* Written by `updater-cli hook-config --c-header` from the board's profile, for libupdate.h: not to be changed by hand. */\n\
         #ifndef UPDATER_BOARD_H\n\
         #define UPDATER_BOARD_H\n\
         \n\
         #define UPDATER_COMPATIBLE {compatible}\n\
         #define UPDATER_TRIES {tries}\n\
         #define UPDATER_GUARD {guard}\n\
         #define UPDATER_THRESHOLD {threshold}\n\
         \n\
         #define UPDATER_PARTITIONS{partitions}\n\
         \n\
         #define UPDATER_KEYS{keys}\n\
         \n\
         #endif\n",
        compatible = literal(&profile.compatible),
        tries = profile.tries.get(),
        guard = profile.guard.tries().get(),
        threshold = anchors.threshold(),
    )
}

fn partition(one: &SlotPartition) -> String {
    let control = u8::from(one.duty == Duty::Control);
    format!(
        " \\\n\t{{ .size = sizeof(struct lu_partition), .slot = {slot}, .control = {control}, .role = {role}, .label = {label}, \\\n\t  \
         .type_guid = {{ {guid} }} }},",
        slot = one.slot.index().saturating_add(1),
        role = literal(&one.role),
        label = literal(&one.label),
        guid = list(one.type_guid.as_bytes()),
    )
}

fn one_key(der: &[u8]) -> String {
    let mut text = String::from(" \\\n\t{ .der = (const uint8_t[]){");
    for line in der.chunks(16) {
        text += " \\\n\t\t";
        text += &list(line);
        text.push(',');
    }
    // A number that needs no other look at the list.
    text + &format!(" \\\n\t}}, .len = {} }},", der.len())
}

fn list(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    numbers.join(", ")
}

/// A string of C: what is no plain character is an octal escape, which ends after three digits.
fn literal(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' | ..b' ' | 0x7f.. => drop(write!(quoted, "\\{byte:03o}")),
            plain => quoted.push(char::from(plain)),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(literal("guest"), "\"guest\"");
        assert_eq!(literal("a\"b\\c\n1é"), r#""a\042b\134c\0121\303\251""#);
    }
}
