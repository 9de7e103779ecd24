//! What a .changes or .dsc file lists (deb-changes(5), dsc(5)): text in, values out.

use std::path::Path;

use crate::debian::paragraph;
use crate::foreign::{FileName, Sha256};

/// A file that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name: never a path.
    pub name: FileName,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// The field Checksums-Sha256 of its first paragraph. A row that is not as it should
/// be, or a name that comes twice, is a fault: whoever wrote it had something in mind.
pub fn listed(text: &str, file: &str) -> Result<Vec<Listed>, String> {
    let (paragraphs, _) = paragraph::parse(text, Path::new(file));
    let field = paragraphs.iter().find_map(|one| one.get("Checksums-Sha256"));
    let mut all: Vec<Listed> = Vec::new();
    for line in field.map(|field| field.lines.as_slice()).unwrap_or_default() {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let [sum, size, name] = words.as_slice() else {
            if words.is_empty() {
                continue;
            }
            return Err(format!("a row of Checksums-Sha256 has {} words, not three", words.len()));
        };
        let name = FileName::new(name).map_err(|refused| refused.to_string())?;
        let sha256 = Sha256::new(sum).map_err(|refused| refused.to_string())?;
        let size = size.parse().map_err(|_| format!("the size of {name} is no number"))?;
        if all.iter().any(|one| one.name == name) {
            return Err(format!("{name} is listed twice"));
        }
        all.push(Listed { name, size, sha256 });
    }
    if all.is_empty() {
        return Err("it lists no file with a sha256".to_owned());
    }
    Ok(all)
}

/// Whether a name is one that the driver writes beside results.
pub fn is_ours(name: &FileName) -> bool {
    let name = name.as_str();
    ["build.log", "manifest.json", "checks.json"].contains(&name)
        || (name.starts_with("check-") && name.ends_with(".log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_from_changes() {
        let (a, c) = ("a".repeat(64), "C".repeat(64));
        let text = format!(
            "Format: 1.8\nChecksums-Sha256:\n {a} 10 notes_1.0_all.deb\n {c} 1 notes_1.0.dsc\nFiles:\n 00 10 web optional ../x\n"
        );
        let listed = listed(&text, "x.changes").unwrap();
        let rows: Vec<_> = listed.iter().map(|one| (one.name.as_str(), one.size, one.sha256.as_str())).collect();
        assert_eq!(rows, [("notes_1.0_all.deb", 10, a.as_str()), ("notes_1.0.dsc", 1, &"c".repeat(64))]);
    }

    #[test]
    fn rows_that_could_mean_something_else_are_faults() {
        let a = "a".repeat(64);
        for row in [
            format!("{a} 10 ../x"),
            format!("{a} 10 /x"),
            format!("{a} x y"),
            "aa 10 y".to_owned(),
            format!("{a} 10"),
            format!("{a} 10 y z"),
            format!("{a} 10 y\n {a} 10 y"),
            format!("{a} -1 y"),
            String::new(),
        ] {
            assert!(listed(&format!("Format: 1.8\nChecksums-Sha256:\n {row}\n"), "x.changes").is_err(), "{row}");
        }
    }
}
