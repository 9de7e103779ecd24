//! Which files of a release lintian takes for made from others, whose source is
//! not there (`source-is-missing`). Pure.

/// Longer lines than this are no person's (lintian's Files/SourceMissing.pm).
const LONG: usize = 512;
/// What stands before `.js` in the names of scripts that were made smaller.
const MADE: [&str; 9] = ["compiled", "compressed", "lite", "min", "pack", "packed", "prod", "umd", "yc"];

/// Whether what a file is called makes its bytes worth a look.
pub fn may_be(name: &str) -> bool {
    let lower = name.to_lowercase();
    let page = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    [".js", ".swf", ".so", ".o", ".a", ".bin"].iter().any(|end| lower.ends_with(end))
        || [".htm", ".html", ".xhtml", ".xht"].iter().any(|end| page.ends_with(end))
        || [".pyc", ".pyo"].iter().any(|end| lower.ends_with(end))
        || !lower.rsplit('/').next().unwrap_or_default().contains('.')
}

/// Whether a file with this name and these bytes is one of them.
pub fn is(name: &str, bytes: &[u8]) -> bool {
    let lower = name.to_lowercase();
    if bytes.starts_with(b"\x7fELF") || lower.ends_with(".pyc") || lower.ends_with(".pyo") || lower.ends_with(".swf") {
        return true;
    }
    let script = lower.strip_suffix(".js");
    let small = |stem: &str| {
        MADE.iter().any(|word| stem.strip_suffix(word).is_some_and(|rest| rest.ends_with(['-', '.', '_'])))
    };
    if script.is_some_and(small) {
        return true;
    }
    let page = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let page = [".htm", ".html", ".xhtml", ".xht"].iter().any(|end| page.ends_with(end));
    (script.is_some() || page) && bytes.split(|byte| *byte == b'\n').any(|line| line.len() > LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_scripts_long_lines_and_binaries() {
        let long = vec![b'x'; 600];
        assert!(is("static/jquery.min.js", b"") && is("a-MIN.js", b"") && !is("admin.js", b"x\n"));
        assert!(is("page.html", &long) && is("app.js", &long) && !is("text.md", &long));
        assert!(is("lib/x.so", b"\x7fELF\x02") && is("x/__pycache__/a.pyc", b""));
        assert!(may_be("bin/tool") && may_be("a.JS") && !may_be("a.py") && !may_be("a.png"));
    }
}
