//! Submodules, as git prints them. Starts nothing.

use std::path::{Path, PathBuf};

use super::super::archive::is_plain;

/// A submodule of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// Where it lies in the tree.
    pub path: PathBuf,
    /// Its commit.
    pub commit: String,
}

/// The submodules in what `git ls-tree -r -z` prints; the path of one that would lie
/// elsewhere, where there is one.
pub fn all(listing: &str) -> std::result::Result<Vec<Submodule>, PathBuf> {
    let mut all = Vec::new();
    for row in listing.split('\0') {
        let Some((facts, path)) = row.split_once('\t') else { continue };
        let Some(commit) = facts.strip_prefix("160000 commit ") else { continue };
        let path = PathBuf::from(path);
        if !is_plain(&path) {
            return Err(path);
        }
        all.push(Submodule { path, commit: commit.to_owned() });
    }
    Ok(all)
}

/// The URL of the submodule at a path in what `git config --null --list` prints of .gitmodules.
pub fn url<'a>(listing: &'a str, path: &Path) -> Option<&'a str> {
    let rows: Vec<(&str, &str)> = listing.split('\0').filter_map(|row| row.split_once('\n')).collect();
    let section =
        rows.iter().find_map(|(key, value)| (Path::new(value) == path).then_some(key.strip_suffix(".path")?))?;
    let key = format!("{section}.url");
    rows.iter().find_map(|(name, value)| (*name == key).then_some(*value))
}

/// `../b` against `https://host/a` is `https://host/b` (git-submodule(1), "relative").
pub fn relative_url(base: &str, relative: &str) -> String {
    let mut base = base.trim_end_matches('/').to_owned();
    let mut rest = relative;
    loop {
        if let Some(next) = rest.strip_prefix("../") {
            let end = base.rfind(['/', ':']).unwrap_or_default();
            base.truncate(end);
            rest = next;
        } else if let Some(next) = rest.strip_prefix("./") {
            rest = next;
        } else {
            return format!("{base}/{rest}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_read_from_what_git_prints() {
        let listing = "160000 commit aa\tlib\x00100644 blob bb\ta\0";
        assert_eq!(all(listing), Ok(vec![Submodule { path: "lib".into(), commit: "aa".to_owned() }]));
        assert_eq!(all("160000 commit aa\t../lib\0"), Err("../lib".into()));
        let settings = "submodule.x.path\nlib\0submodule.x.url\nhttps://host/x\0";
        assert_eq!(url(settings, Path::new("lib")), Some("https://host/x"));
        assert_eq!(url(settings, Path::new("other")), None);
    }

    #[test]
    fn relative_urls_are_git_s() {
        assert_eq!(relative_url("https://host/group/app", "../lib"), "https://host/group/lib");
        assert_eq!(relative_url("/srv/app/", "./sub"), "/srv/app/sub");
    }
}
