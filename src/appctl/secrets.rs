//! Secrets: made once, kept in `secrets.json`, and the password hashes made of them.
//!
//! A secret is never shown, neither by [`std::fmt::Debug`] nor in an error.
//! Reads and writes no file; [`super::store`] does.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use yescrypt::{PasswordHasher, Yescrypt};

use super::journal::digest;
use crate::configuration::setting::{Kind, Scheme, Setting};
use crate::error::{Diagnostic, Result};

/// The newest format of the file that this version knows.
pub const FORMAT: u32 = 1;

/// What a generated secret is made of: no character that any format would quote.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// bcrypt's cost: about a quarter of a second.
const BCRYPT_COST: u32 = 12;

/// The secrets of a package.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// Format, [`FORMAT`] at most.
    pub format: u32,
    /// The secrets by setting.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The hashes by setting.
    #[serde(default)]
    pub hashes: BTreeMap<String, Hash>,
}

/// A password hash, kept so that its salt stays the same.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash {
    /// The hash, in the form of crypt(5).
    pub hash: String,
    /// How it was made.
    pub scheme: Scheme,
    /// Digest of the secret that it was made of, which stands in the same file.
    pub of: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} not shown)", self.secrets.len() + self.hashes.len())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(not shown)")
    }
}

impl Secrets {
    /// Make what `settings` need and is not there; whether anything was made.
    /// Nothing that is there is ever dropped here.
    pub fn complete(&mut self, settings: &[Setting]) -> Result<bool> {
        let mut made = false;
        for setting in settings {
            if let Kind::Secret { length } = setting.kind {
                if !self.secrets.contains_key(&setting.name) {
                    self.secrets.insert(setting.name.clone(), random(length)?);
                    made = true;
                }
            }
        }
        for setting in settings {
            if let Kind::PasswordHash { from, scheme } = &setting.kind {
                made |= self.hash(&setting.name, from, *scheme)?;
            }
        }
        Ok(made)
    }

    fn hash(&mut self, name: &str, from: &str, scheme: Scheme) -> Result<bool> {
        let Some(secret) = self.secrets.get(from) else { return Ok(false) };
        let of = digest(secret.as_bytes());
        if self.hashes.get(name).is_some_and(|hash| hash.of == of && hash.scheme == scheme) {
            return Ok(false);
        }
        let hash = crypt(secret, scheme)
            .map_err(|reason| Diagnostic::error(format!("cannot hash '{from}': {reason}")).hint("set a shorter one"))?;
        self.hashes.insert(name.to_owned(), Hash { hash, scheme, of });
        Ok(true)
    }

    /// Every value by setting, as the layers take them.
    pub fn values(&self) -> BTreeMap<String, String> {
        let hashes = self.hashes.iter().map(|(name, hash)| (name.clone(), hash.hash.clone()));
        self.secrets.clone().into_iter().chain(hashes).collect()
    }
}

/// A hash of crypt(5), with a salt of its own.
fn crypt(secret: &str, scheme: Scheme) -> std::result::Result<String, String> {
    match scheme {
        Scheme::Yescrypt => Yescrypt::default()
            .hash_password(secret.as_bytes())
            .map(|hash| hash.as_str().to_owned())
            .map_err(|e| e.to_string()),
        Scheme::Bcrypt => bcrypt::non_truncating_hash(secret, BCRYPT_COST).map_err(|error| error.to_string()),
    }
}

/// `length` characters of [`ALPHABET`], each as likely as any other (getrandom(2)).
fn random(length: usize) -> Result<String> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes)
            .map_err(|error| Diagnostic::error(format!("cannot get random bytes: {error}")).hint("see getrandom(2)"))?;
        // 248 is the largest multiple of 62 that fits into a byte.
        let fair = bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(*byte) % 62));
        text.extend(fair.take(length - text.len()).map(|byte| char::from(*byte)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<Setting> {
        let text = r#"[
            {"name": "key", "type": "secret", "length": 48},
            {"name": "admin", "type": "password-hash", "from": "key", "scheme": "yescrypt"},
            {"name": "web", "type": "password-hash", "from": "key", "scheme": "bcrypt"}
        ]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn secrets_and_hashes_are_made_once() {
        let mut secrets = Secrets::default();
        assert!(secrets.complete(&settings()).unwrap());
        let first = secrets.clone();
        assert!(!secrets.complete(&settings()).unwrap());
        assert!(secrets == first);
        assert_eq!(first.secrets["key"].len(), 48);
        assert!(first.hashes["admin"].hash.starts_with("$y$j9T$"));
        assert!(first.hashes["web"].hash.starts_with("$2b$12$"));
    }

    #[test]
    fn a_new_secret_gets_new_hashes() {
        let mut secrets = Secrets::default();
        secrets.complete(&settings()).unwrap();
        let old = secrets.hashes["admin"].hash.clone();
        secrets.secrets.insert("key".to_owned(), "other".to_owned());
        assert!(secrets.complete(&settings()).unwrap());
        assert_ne!(secrets.hashes["admin"].hash, old);
    }

    #[test]
    fn what_bcrypt_would_cut_off_is_refused() {
        let mut secrets = Secrets::default();
        secrets.secrets.insert("key".to_owned(), "x".repeat(80));
        let error = secrets.complete(&settings()).unwrap_err();
        assert!(!error.diagnostics()[0].to_string().contains("xxx"), "{error:?}");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let mut secrets = Secrets::default();
        secrets.secrets.insert("key".to_owned(), "hunter2".to_owned());
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
