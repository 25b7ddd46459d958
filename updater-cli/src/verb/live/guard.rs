//! Files that nothing should replace in a running system, by their paths. Pure.
//!
//! What is running goes on with the old file, what starts later gets the new one, and the two have to agree: of these files they seldom do. A reboot into a
//! new image is the way; `--force` is for who knows better.

/// The kernel, which a running system keeps.
pub const KERNEL: &str = "the kernel, or a module of it";
/// What says which version it is.
pub const NAME: &str = "the name of the image";

/// What a file is that is guarded; `None` for all others. The path begins with `usr/` or `opt/`.
pub fn guarded(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    let is = |words: &[&str]| words.contains(&name);
    if path.starts_with("usr/lib/modules/")
        || begins(&["vmlinuz", "vmlinux", "initrd", "initramfs-"])
        || is(&["Image", "zImage", "bzImage"])
        || name.ends_with(".dtb")
    {
        return Some(KERNEL);
    }
    let libc =
        ["libc.so", "libc-", "libm.so", "libm-", "libpthread", "libdl.so", "librt.so", "libc.musl-", "libuClibc-"];
    let in_lib = path.starts_with("usr/lib") || path.starts_with("usr/libx32");
    if (in_lib && begins(&libc)) || begins(&["ld-linux", "ld-musl-", "ld64.so", "ld.so", "ld-2.", "ld-uClibc"]) {
        return Some("the C library, or the loader of programs");
    }
    let systemd = ["systemd", "systemd-executor", "systemd-shutdown"];
    if is(&["init", "busybox", "openrc-init", "runit-init", "s6-svscan"])
        || begins(&["libsystemd-shared", "libsystemd-core"])
        || (path.starts_with("usr/lib/systemd/") && is(&systemd))
        // What the steps of a pack are done by.
        || is(&["systemctl", "systemd-sysext", "systemd-sysusers", "systemd-tmpfiles"])
    {
        return Some("init");
    }
    let ours = |part: &str| part == "updater" || part == "updater.conf" || part.starts_with("updater-");
    if is(&["initramfs-hook"]) || path.split('/').any(ours) {
        return Some("the updater");
    }
    is(&["os-release"]).then_some(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everything_else_runs_on_is_guarded() {
        for path in [
            "usr/lib/modules/6.1/kernel/x.ko",
            "usr/lib/vmlinuz-6.1",
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            "usr/lib64/ld-linux-x86-64.so.2",
            "usr/lib/ld-musl-x86_64.so.1",
            "usr/sbin/init",
            "usr/bin/busybox",
            "usr/lib/systemd/systemd",
            "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so",
            "usr/lib/systemd/system-generators/updater-offline-generator",
            "usr/share/updater/profiles/x.toml",
            "usr/local/bin/systemctl",
            "opt/x/libc.so.6/../ld-linux-x86-64.so.2",
            "usr/bin/updater-cli",
            "usr/lib/updater/health.d/10-x",
            "usr/lib/os-release",
        ] {
            assert!(guarded(path).is_some(), "{path}");
        }
    }

    #[test]
    fn all_else_is_not() {
        for path in [
            "usr/bin/web",
            "usr/lib/libcrypto.so.3",
            "usr/lib/libc++.so.1",
            "usr/share/doc/init.txt",
            "usr/lib/systemd/system/web.service",
            "opt/app/bin/tool",
            "usr/share/libc.so.html.d/x",
            "usr/lib/extension-release.d/extension-release.x",
        ] {
            assert_eq!(guarded(path), None, "{path}");
        }
    }
}
