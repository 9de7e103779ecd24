//! The environment as a value, with the readings that Debian gives to it.
//!
//! Owns [`Environment`]. Does not read the process: that is done once, by
//! [`crate::run`], which re-exports the type.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The process environment, read once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// An environment of exactly these variables.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A variable's bytes.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's text; `None` too where it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// A variable's text, where it is neither unset nor empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// Every variable, for a child process.
    pub fn all(&self) -> &BTreeMap<OsString, OsString> {
        &self.0
    }

    /// A word of DEB_BUILD_OPTIONS (policy 4.9.1): `nocheck` is `Some(None)`,
    /// `parallel=4` is `Some(Some("4"))`. The first one counts, as in
    /// debhelper's `get_buildoption`.
    pub fn build_option(&self, name: &str) -> Option<Option<&str>> {
        self.text("DEB_BUILD_OPTIONS")?.split_whitespace().find_map(|word| match word.split_once('=') {
            Some((key, value)) => (key == name).then_some(Some(value)),
            None => (word == name).then_some(None),
        })
    }

    /// The active build profiles (DEB_BUILD_PROFILES, white space between them).
    pub fn build_profiles(&self) -> Vec<&str> {
        self.text("DEB_BUILD_PROFILES").map(|text| text.split_whitespace().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_options_are_words_with_or_without_a_value() {
        let environment = Environment::from_pairs([("DEB_BUILD_OPTIONS", "nocheck parallel=4  terse")]);
        assert_eq!(environment.build_option("nocheck"), Some(None));
        assert_eq!(environment.build_option("parallel"), Some(Some("4")));
        assert_eq!(environment.build_option("terse"), Some(None));
        assert_eq!(environment.build_option("check"), None);
        assert_eq!(Environment::default().build_option("nocheck"), None);
    }
}
