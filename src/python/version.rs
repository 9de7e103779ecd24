//! Debian's versions and Python's (PEP 440), one from the other.

use std::str::FromStr;

use pep440_rs::Version;

/// `1:1.0~rc1+dfsg-2` → `1.0rc1`: epoch, revision and Debian's own suffixes go,
/// `~` before a pre-release becomes nothing. `None` where PEP 440 has no such version.
pub fn from_debian(version: &str) -> Option<String> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    let own = ["+dfsg", "~dfsg", "+ds", "~ds", "+debian", "+really", "~bpo"];
    let end = own.iter().filter_map(|suffix| upstream.find(suffix)).min().unwrap_or(upstream.len());
    let text = upstream[..end].replace('~', "");
    Version::from_str(&text).ok().map(|version| version.to_string())
}

/// `1.0rc1` → `1.0~rc1`, `1.0.dev3` → `1.0~dev3`: sorts in Debian as in Python.
pub fn to_debian(version: &str) -> Option<String> {
    let version = Version::from_str(version).ok()?;
    let release = version.release().iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    let mut text = if version.epoch() == 0 { release } else { format!("{}:{release}", version.epoch()) };
    if let Some(pre) = version.pre() {
        text.push_str(&format!("~{}{}", pre.kind, pre.number));
    }
    if let Some(post) = version.post() {
        text.push_str(&format!(".post{post}"));
    }
    if let Some(dev) = version.dev() {
        text.push_str(&format!("~dev{dev}"));
    }
    if !version.local().is_empty() {
        let local: Vec<String> = version.local().iter().map(ToString::to_string).collect();
        text.push_str(&format!("+{}", local.join(".")));
    }
    Some(text)
}

/// Whether two PEP 440 versions are the same one, however they are spelled.
pub fn same(a: &str, b: &str) -> bool {
    match (Version::from_str(a), Version::from_str(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (debian, python) in [
            ("1.0~rc1-1", "1.0rc1"),
            ("2.0~a1-1", "2.0a1"),
            ("1.2.3-4", "1.2.3"),
            ("1.0~dev3", "1.0.dev3"),
            // Before 1.0.post2, not before 1.0.
            ("1.0.post2~dev3", "1.0.post2.dev3"),
        ] {
            assert_eq!(from_debian(debian).as_deref(), Some(python));
            assert_eq!(to_debian(python).as_deref(), Some(debian.split('-').next().unwrap()));
        }
    }

    #[test]
    fn debians_own_parts_go() {
        assert_eq!(from_debian("2:3.1+dfsg1-1~bpo12+1").as_deref(), Some("3.1"));
        assert_eq!(from_debian("1.0-1ubuntu2").as_deref(), Some("1.0"));
        assert_eq!(from_debian("git20240101.abc-1"), None);
    }

    #[test]
    fn spelling_does_not_matter() {
        assert!(same("1.0", "1.0.0"));
        assert!(same("1.0rc1", "1.0.RC1"));
        assert!(!same("1.0", "1.1"));
    }
}
