//! Where a project's repository is: from the address of a git remote to the fields
//! Vcs-Git and Vcs-Browser (policy 5.6.26). Pure.

/// Public hosts whose repositories can be read at https://HOST/PATH.
const FORGES: [&str; 6] =
    ["bitbucket.org", "codeberg.org", "git.sr.ht", "github.com", "gitlab.com", "salsa.debian.org"];

/// A repository that anybody can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// What git clones.
    pub git: String,
    /// What a browser shows, where that is known.
    pub browser: Option<String>,
}

/// The repository of a remote. `None` where it is on this machine, or needs an account:
/// an address of ssh counts only for a host that shows the same to everybody. A name
/// and a password in the address never reach the package.
pub fn repository(remote: &str) -> Option<Repository> {
    let remote = remote.trim();
    let (scheme, rest) = match remote.split_once("://") {
        Some((scheme, rest)) => (scheme, rest.to_owned()),
        // git@host:path of scp; a path of this machine has no host.
        None => {
            let (host, path) = remote.split_once(':')?;
            (host.contains('@') && !host.contains('/'))
                .then_some(("ssh", format!("{host}/{}", path.trim_start_matches('/'))))?
        }
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit('@').next().unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default().to_lowercase();
    let known = FORGES.contains(&name.as_str()) || name.starts_with("gitlab.");
    let path = path.trim_end_matches('/');
    let plain = path.trim_end_matches(".git");
    let sane = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if name.is_empty() || plain.is_empty() || !sane(host) || !sane(path) {
        return None;
    }
    let browser = known.then(|| format!("https://{name}/{plain}"));
    let git = match scheme {
        "ssh" | "git" | "git+ssh" | "http" | "https" if known => match name.as_str() {
            "git.sr.ht" => format!("https://{name}/{plain}"),
            _ => format!("https://{name}/{plain}.git"),
        },
        "https" => format!("https://{host}/{path}"),
        _ => return None,
    };
    Some(Repository { git, browser })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_host_is_a_port() {
        assert_eq!(repository("https://g:\0/a"), None);
        assert_eq!(repository("https://g:1\nX: y/a"), None);
    }

    #[test]
    fn remotes_become_addresses_that_everybody_can_read() {
        let of = |remote: &str| repository(remote).map(|one| (one.git, one.browser.unwrap_or_default()));
        let pair = |git: &str, browser: &str| Some((git.to_owned(), browser.to_owned()));
        let notes = pair("https://github.com/a/notes.git", "https://github.com/a/notes");
        for remote in [
            "https://github.com/a/notes",
            "https://github.com/a/notes.git",
            "https://user:token@github.com/a/notes.git/",
            "git@github.com:a/notes.git",
            "ssh://git@github.com:22/a/notes.git",
            "git://GitHub.com/a/notes",
        ] {
            assert_eq!(of(remote), notes, "{remote}");
        }
        assert_eq!(of("https://git.sr.ht/~a/notes"), pair("https://git.sr.ht/~a/notes", "https://git.sr.ht/~a/notes"));
        let own = pair("https://git.example.org:8443/notes.git", "");
        assert_eq!(of("https://me@git.example.org:8443/notes.git"), own);
        for remote in [
            "/srv/git/notes",
            "../notes",
            "file:///srv/notes",
            "git@git.example.org:notes",
            "c:/notes",
            "",
            "https://x/a b",
        ] {
            assert_eq!(of(remote), None, "{remote}");
        }
    }
}
