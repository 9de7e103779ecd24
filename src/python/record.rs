//! RECORD files of installed distributions (PEP 376, PEP 627): read and written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One row: the file's path as written, `sha256=…` in URL-safe base64, and its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// `sha256=…`, or empty.
    pub hash: String,
    /// Size in bytes, or empty.
    pub size: String,
}

/// The rows by path. Quoted fields (RFC 4180) are understood.
pub fn parse(text: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut fields = fields(line).into_iter();
        let path = fields.next().unwrap_or_default();
        let row = Row { hash: fields.next().unwrap_or_default(), size: fields.next().unwrap_or_default() };
        rows.insert(path, row);
    }
    rows
}

/// The text of a RECORD: one row a line, sorted by path.
pub fn write(rows: &BTreeMap<String, Row>) -> String {
    let mut text = String::new();
    for (path, row) in rows {
        let path = if path.contains([',', '"']) { format!("\"{}\"", path.replace('"', "\"\"")) } else { path.clone() };
        let _ = writeln!(text, "{path},{},{}", row.hash, row.size);
    }
    text
}

/// A digest as RECORD writes it: URL-safe base64 without padding.
pub fn hash_field(sha256: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::from("sha256=");
    for chunk in sha256.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

fn fields(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = all.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                all[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(String::new()),
            other => all[last].push(other),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_digest_is_written_as_wheel_does() {
        // sha256 of the empty string, as in any RECORD with an empty __init__.py.
        let empty = [
            0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
            0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
        ];
        assert_eq!(hash_field(&empty), "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(paths in proptest::collection::btree_set("[a-z ,\"é./]{1,20}", 0..8)) {
            let rows: BTreeMap<String, Row> = paths.into_iter()
                .filter(|path| !path.trim().is_empty())
                .map(|path| (path, Row { hash: "sha256=x".into(), size: "1".into() }))
                .collect();
            prop_assert_eq!(parse(&write(&rows)), rows);
        }
    }
}
