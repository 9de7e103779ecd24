//! Markers and requirements of PEP 508, read by pep508_rs.
//!
//! Owns the gate before that parser: it panics at what is not ASCII where it expects
//! `and` or `or`, and at a name that ends in a hyphen; its stack grows with each
//! parenthesis. PEP 508 knows no such characters and names, nor a use for so many.

use std::str::FromStr;

use pep508_rs::{MarkerTree, Requirement, VerbatimUrl};

/// As many parentheses in one another as are read.
const DEEP: usize = 100;

/// Whether the parser gets along with a text; why not.
pub fn is_readable(text: &str) -> Result<(), String> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
        return Err(format!("'{c}' is no character of PEP 508"));
    }
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEP {
            return Err(format!("more than {DEEP} parentheses are open at once"));
        }
    }
    Ok(())
}

/// A marker such as `python_version < '3.12'`.
pub fn marker(text: &str) -> Result<MarkerTree, String> {
    is_readable(text)?;
    MarkerTree::from_str(text).map_err(|error| error.message.to_string())
}

/// A requirement such as `flask[async] >= 3 ; python_version < '3.12'`.
pub fn requirement(text: &str) -> Result<Requirement<VerbatimUrl>, String> {
    is_readable(text)?;
    // Distribution and extras: at one that ends so, that parser panics.
    let head = text.split(|c| "@;(<>=!~".contains(c)).next().unwrap_or_default();
    let mut words = head.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    if let Some(word) = words.find(|word| word.ends_with(['-', '_', '.'])) {
        return Err(format!("'{word}' is no name"));
    }
    Requirement::from_str(text).map_err(|error| error.message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_panics_at_is_refused() {
        assert!(marker("python_version < '3' and os_name == 'posix'").is_ok());
        assert_eq!(marker("python_version<''…").unwrap_err(), "'…' is no character of PEP 508");
        assert!(requirement("a; python_version<''…").is_err());
        assert_eq!(requirement("b->").unwrap_err(), "'b-' is no name");
        assert_eq!(requirement("b[c-]").unwrap_err(), "'c-' is no name");
        assert!(requirement("a-b[c, d] @ https://host/x-").is_ok());
        let deep = |depth: usize| format!("{}os_name=='x'{}", "(".repeat(depth), ")".repeat(depth));
        assert!(marker(&deep(DEEP)).is_ok());
        assert!(marker(&deep(64_000)).is_err());
    }
}
