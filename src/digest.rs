//! Digests that name things.

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// sha256 over lines, in hexadecimal.
pub fn digest<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    hex(&hasher.finalize())
}
