//! What the user calls a bundle: a file's path, or a URL, whose secrets are not shown.

use std::path::{Path, PathBuf};

/// Whether what the user named is a URL, and no file. A file of such a name is reached as `./NAME`.
pub fn is_url(path: &Path) -> bool {
    path.to_string_lossy().contains("://")
}

/// Whether what is no file looks like a URL that lacks its scheme: `host:80/x`, `updates.example/x`, `localhost/x`.
pub fn could_be_server(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let Some((host, _)) = text.split_once('/') else { return has_port(&text) };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    has_port(host)
        || host == "localhost"
        || (!host.starts_with('.') && host.contains('.') && host.chars().all(is_name) && !Path::new(host).exists())
}

/// Whether it ends in a port: digits after a colon.
fn has_port(host: &str) -> bool {
    let port = host.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What may be shown of it: a file's path, or a URL without user, password and query.
pub fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let Some((scheme, rest)) = text.split_once("://") else { return path.display().to_string() };
    if has_bare_password(rest) {
        return format!("{scheme}://");
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let host = authority.rsplit('@').next().unwrap_or_default();
    path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
}

/// The file `name` beside what the user named: in the same folder, or at the same place of the server, without query.
pub fn beside(path: &Path, name: &str) -> PathBuf {
    let text = path.to_string_lossy();
    let Some((scheme, rest)) = text.split_once("://") else { return path.with_file_name(name) };
    if scheme == "oci" {
        // In a registry names are tags.
        let (host, repository) = rest.split_once('/').unwrap_or((rest, ""));
        let repository = repository.split([':', '@']).next().unwrap_or_default();
        return format!("{scheme}://{host}/{repository}:{name}").into();
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let folder = rest.rsplit_once('/').map_or(rest, |(folder, _)| folder);
    format!("{scheme}://{folder}/{name}").into()
}

/// Whether what follows `://` may hold a password that is not percent-encoded: `u:pa/ss@h/x` would be the port `pa` of a host `u`.
pub fn has_bare_password(rest: &str) -> bool {
    // A registry's artifact may be named by its digest.
    let rest = &rest.replacen("@sha256:", ":", 1);
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let port = authority.rsplit_once(':').filter(|_| !authority.contains('@') && !authority.ends_with(']'));
    port.is_some_and(|(_, port)| behind.contains('@') || !port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_scheme_is_recognised() {
        for server in ["host:80/x", "h:8077", "updates.example/1.bundle", "localhost/x", "192.0.2.1/x", "[::1]:80/x"] {
            assert!(could_be_server(Path::new(server)), "{server}");
        }
        for file in ["update.bundle", "/mnt/x.y/z", "./a.b/c", "../x", "folder/x", "a:b/x", "update-1.2.bundle"] {
            assert!(!could_be_server(Path::new(file)), "{file}");
        }
    }

    #[test]
    fn a_file_beside_is_in_the_same_folder_or_on_the_same_server() {
        for (given, expected) in [
            ("https://u:p@h:8443/a/b.delta?token=1#x", "https://u:p@h:8443/a/n"),
            ("https://h/b.delta", "https://h/n"),
            ("http://h", "http://h/n"),
            ("oci://u:p@h:5000/a/b:1.4@sha256:00", "oci://u:p@h:5000/a/b:n"),
            ("a/b.delta", "a/n"),
            ("b.delta", "n"),
            ("/b.delta", "/n"),
        ] {
            assert_eq!(beside(Path::new(given), "n"), Path::new(expected), "{given}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let cases = [
            ("https://u:p@h:8443/a/b.bundle?token=1#x", "https://h:8443/a/b.bundle"),
            ("https://u:p@q@h/a@b", "https://h/a@b"),
            ("http://h", "http://h"),
            ("http://u:p@h?x=/secret", "http://h"),
            ("ftp://u:p@h/x", "ftp://h/x"),
            ("https://u:p @h/\u{1b}", "https://h/\u{1b}"),
            ("a/file?x#y@z", "a/file?x#y@z"),
            ("https://u:pa/ss@h/x", "https://"),
            ("https://u:1/ss@h/x", "https://"),
            ("https://u:1?s@h/x", "https://"),
            ("https://u:p#s@h/x", "https://"),
            ("https://u:p%2Fs@h/x", "https://h/x"),
            ("http://[::1]:81/x", "http://[::1]:81/x"),
            ("http://[::1]/x@y", "http://[::1]/x@y"),
            ("oci://h:5000/x:1@sha256:00", "oci://h:5000/x:1@sha256:00"),
        ];
        for (given, expected) in cases {
            assert_eq!(shown(Path::new(given)), expected);
        }
    }
}
