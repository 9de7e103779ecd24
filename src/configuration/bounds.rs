//! The gate before the parser of templates.
//!
//! That parser calls itself for each block and each bracket of an expression, until the
//! stack is full, and looks from each backslash to the last one in a row. Owns how much
//! of these is read; reads nothing else of the language.

use crate::error::Diagnostic;

/// As many blocks, or brackets of an expression, in one another.
const DEEP: usize = 100;

/// As many backslashes in a row.
const BACKSLASHES: usize = 100;

/// Whether a template keeps to the bounds; else the line that does not, and what is wrong.
pub fn hold(text: &str) -> Result<(), (usize, Diagnostic)> {
    let bytes = text.as_bytes();
    let (mut blocks, mut brackets, mut backslashes, mut line) = (0_usize, 0_usize, 0_usize, 1_usize);
    // How deep the parser is in each open block: an `else if` is a block in a block for it.
    let mut open = Vec::new();
    // Text between expressions may have brackets of its own.
    let mut inside = false;
    for (at, byte) in bytes.iter().enumerate() {
        backslashes = if *byte == b'\\' { backslashes + 1 } else { 0 };
        match byte {
            b'\n' => line += 1,
            // The third of three braces begins nothing.
            b'{' if bytes[at + 1..].starts_with(b"{") && !bytes[..at].ends_with(b"{") => {
                (inside, brackets) = (true, 0);
                let tag = bytes[at + 2..].trim_ascii_start();
                let tag = tag.strip_prefix(b"~").unwrap_or(tag).trim_ascii_start();
                if tag.starts_with(b"#") {
                    open.push(1);
                    blocks += 1;
                } else if tag.starts_with(b"else") && !tag[4..].trim_ascii_start().starts_with(b"}") {
                    open.last_mut().into_iter().for_each(|depth| *depth += 1);
                    blocks += 1;
                } else if tag.starts_with(b"/") {
                    blocks = blocks.saturating_sub(open.pop().unwrap_or(1));
                }
            }
            b'}' if bytes[at + 1..].starts_with(b"}") => inside = false,
            b'(' | b'[' | b'{' if inside => brackets += 1,
            b')' | b']' | b'}' if inside => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        if blocks > DEEP || brackets > DEEP {
            let fault = Diagnostic::error(format!("more than {DEEP} blocks or brackets are open at once"));
            return Err((line, fault.hint("close some of them before this line")));
        }
        if backslashes > BACKSLASHES {
            let fault = Diagnostic::error(format!("more than {BACKSLASHES} backslashes in a row"));
            return Err((line, fault.hint("a backslash is needed before '{{' alone")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        hold(text).err().map(|(line, fault)| format!("{line}: {fault}"))
    }

    #[test]
    fn depth_counts_and_length_does_not() {
        let many = "{{#if a}}x{{else if b}}y{{else}}z{{/if}}\n".repeat(1000) + &"[({".repeat(1000);
        assert_eq!(refused(&many), None);
        let deep = "more than 100 blocks or brackets are open at once";
        assert_eq!(refused(&"{{#if a}}\n".repeat(101)), Some(format!("101: {deep}")));
        assert_eq!(refused(&"{{~#if a}}".repeat(101)), Some(format!("1: {deep}")));
        assert_eq!(refused(&format!("{{{{join {}", "[".repeat(101))), Some(format!("1: {deep}")));
        assert_eq!(refused(&"\\".repeat(101)).as_deref(), Some("1: more than 100 backslashes in a row"));
    }
}
