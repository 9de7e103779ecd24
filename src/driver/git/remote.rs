//! Names of repositories on other machines.

use crate::foreign::{Refused, Url, printable_line, without_passwords};

/// A repository of another machine: a URL, or `user@host:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote(String);

impl Remote {
    /// From its text.
    pub fn new(text: &str) -> std::result::Result<Self, String> {
        let own = || Self(text.to_owned());
        let refused =
            |why: &str| Err(format!("'{}' is no repository to fetch: {why}", printable_line(&without_passwords(text))));
        let bad = |c: char| c.is_control() || c.is_whitespace() || "\"'<>\\^`{|}$;&*?".contains(c);
        let name = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
            !part.is_empty() && !part.starts_with('-') && part.chars().all(plain)
        };
        let (place, path) = match text.split_once("://") {
            Some((scheme, _)) if ["https", "http"].contains(&scheme) => {
                return Url::new(text).map(|_| own()).map_err(|refused: Refused| refused.to_string());
            }
            Some((scheme, rest)) if ["ssh", "git", "git+ssh", "ssh+git"].contains(&scheme) => {
                rest.split_once('/').unwrap_or((rest, ""))
            }
            Some(_) => return refused("only https, http, ssh and git are asked for it"),
            None if is_remote(text) => text.split_once(':').unwrap_or_default(),
            None => return refused("it is a path"),
        };
        let (user, host) = place.split_once('@').map_or((None, place), |(user, host)| (Some(user), host));
        let host = match host.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => host,
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let numbers = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        if user.is_some_and(|user| !name(user)) || !(name(host) || numbers) {
            return refused("its host has letters, digits, - and .");
        }
        // ssh would take a path that begins so for an option, and `::` begins a helper's name.
        if path.is_empty() || path.starts_with(['-', ':']) || path.contains(bad) || text.len() > 4096 {
            return refused("its path has no white space and no character that a shell knows");
        }
        Ok(own())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether git takes it for another machine's repository, or a URL: `https://…`, `git@host:path`.
pub fn is_remote(place: &str) -> bool {
    if place.contains("://") {
        return true;
    }
    match place.split_once(':') {
        Some((host, _)) => host.contains('@') && !host.contains('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in ["https://host/x.git", "file:///x", "git@host:x.git"] {
            assert!(is_remote(url), "{url}");
        }
        for path in [".", "/a/b", "../x:y", "a@b/c:d"] {
            assert!(!is_remote(path), "{path}");
        }
    }

    #[test]
    fn what_is_fetched_is_on_another_machine() {
        for good in [
            "https://host/x.git",
            "ssh://git@host:22/~me/x.git",
            "git://host/x",
            "git+ssh://host/x",
            "git@host.example:group/x.git",
            "ssh://[::1]:22/x",
        ] {
            assert!(Remote::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/srv/private",
            "../private",
            "file:///srv/private",
            "--upload-pack=touch /tmp/x",
            "-u@host:x",
            "ext::sh -c id",
            "ext::sh@host:-c id",
            "fd::17",
            "ssh://-oProxyCommand=id/x",
            "ssh://a@-oProxyCommand=id/x",
            "git@-oProxyCommand=id:x",
            "git@host:-x",
            "git@host:x y",
            "git@host:$(id)",
            "git@host::x",
            "https://host/\nx",
            "ftp://host/x",
            "ssh://host",
        ] {
            assert!(Remote::new(bad).is_err(), "{bad:?}");
        }
    }
}
