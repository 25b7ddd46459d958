//! The extension of a pack: what is taken keeps the rules of its names, and is written back as the same bytes.

use libupdate::bundle::pack::Pack;

/// Takes the bytes as an extension.
///
/// # Panics
/// Where a rule is not kept, or another extension would mean the same.
pub fn run(bytes: &[u8]) {
    let Ok(pack) = Pack::parse(bytes) else { return };
    let (name, supersedes): (&str, Vec<&str>) = (pack.name().as_str(), pack.supersedes().collect());
    let (reload, restart): (Vec<&str>, Vec<&str>) = (pack.reload().collect(), pack.restart().collect());
    assert!(pack.level() > 0);
    // Safe as the name of a folder and of a layer, whatever is done with it.
    for name in supersedes.iter().chain([&name]) {
        assert!((1..=64).contains(&name.len()) && !name.contains("..") && !name.starts_with(['.', '-']), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{name}");
    }
    for unit in reload.iter().chain(&restart) {
        assert!(!unit.contains('/') && !unit.starts_with('-') && unit.is_ascii() && unit.contains('.'), "{unit}");
    }
    assert!(!supersedes.contains(&name));
    for (place, one) in supersedes.iter().enumerate() {
        assert!(!supersedes[..place].contains(one), "{one} twice");
    }
    let count = |list: &[&str]| u8::try_from(list.len()).expect("its bound is less");
    let steps = u8::from(pack.sysusers()) | u8::from(pack.tmpfiles()) << 1;
    let mut again = [&pack.level().to_le_bytes()[..], &pack.fits().to_le_bytes(), &[steps]].concat();
    again.extend([count(&supersedes), count(&reload), count(&restart)]);
    for text in [name].iter().chain(&supersedes).chain(&reload).chain(&restart) {
        again.push(u8::try_from(text.len()).expect("its bound is less"));
        again.extend(text.as_bytes());
    }
    assert_eq!(again, bytes, "two forms of one pack");
}
