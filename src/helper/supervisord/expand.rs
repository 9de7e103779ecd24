//! `%(name)s`: Python's formatting of a text with named values.
//!
//! Mirrors `expand` of supervisor's options.py (`text % names`) for the
//! conversions s, d, i, u, x, X and o with flags, width and precision. Stricter:
//! a conversion without a name, which Python fills with the whole dictionary,
//! is a fault.

use std::collections::BTreeMap;

/// A value that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
    /// Something that is known later: this character stands for it, however it
    /// is formatted. [`formats`] tells how.
    Later(char),
}

/// Names and what they stand for.
pub type Names = BTreeMap<String, Value>;

/// `text` with every `%(name)s` replaced, and `%%` by one percent sign.
pub fn expand(text: &str, names: &Names) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Literal(text) => expanded.push_str(text),
            Piece::Percent => expanded.push('%'),
            Piece::Named { name, format } => expanded.push_str(&format.apply(name, lookup(name, names)?)?),
        }
    }
    Ok(expanded)
}

/// How `name` is formatted in `text`: `s`, `02d`; each way once.
pub fn formats(text: &str, wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in pieces(text).unwrap_or_default() {
        if let Piece::Named { name, format } = piece {
            let format = format.text();
            if name == wanted && !found.contains(&format) {
                found.push(format);
            }
        }
    }
    found
}

/// A number as `format` (`s`, `02d`) writes it.
pub fn number(format: &str, number: i64) -> Result<String, String> {
    let names = Names::from([("n".to_owned(), Value::Number(number))]);
    expand(&format!("%(n){format}"), &names)
}

fn lookup<'a>(name: &str, names: &'a Names) -> Result<&'a Value, String> {
    names.get(name).ok_or_else(|| format!("%({name})s is not known here"))
}

enum Piece<'a> {
    Literal(&'a str),
    Percent,
    Named { name: &'a str, format: Format },
}

#[derive(Default)]
struct Format {
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
    conversion: char,
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        pieces.push(Piece::Literal(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            pieces.push(Piece::Percent);
            rest = after;
            continue;
        }
        let Some(inside) = rest.strip_prefix('(') else {
            return Err("a single % (write %% for the sign itself)".to_owned());
        };
        let end = closing(inside).ok_or("'%(' without ')'")?;
        let (format, after) = Format::read(&inside[end + 1..])?;
        pieces.push(Piece::Named { name: &inside[..end], format });
        rest = after;
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

/// Where the parenthesis that is open ends; Python counts nested ones.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })
}

impl Format {
    fn read(text: &str) -> Result<(Self, &str), String> {
        let mut format = Self::default();
        let rest = text.trim_start_matches(['#', '0', '-', ' ', '+']);
        format.flags = text[..text.len() - rest.len()].to_owned();
        let (width, rest) = digits(rest);
        format.width = width;
        let mut rest = rest;
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = digits(after);
            format.precision = Some(precision.unwrap_or(0));
            rest = after;
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let conversion = rest.chars().next().ok_or("a format that ends too early")?;
        if !"sdiuxXo".contains(conversion) {
            return Err(format!("the format ends in '{conversion}' (write s or d)"));
        }
        if format.width.max(format.precision).is_some_and(|number| number > 255) {
            return Err("a field wider than 255".to_owned());
        }
        format.conversion = conversion;
        Ok((format, &rest[conversion.len_utf8()..]))
    }

    fn text(&self) -> String {
        let width = self.width.map(|width| width.to_string()).unwrap_or_default();
        let precision = self.precision.map(|precision| format!(".{precision}")).unwrap_or_default();
        format!("{}{width}{precision}{}", self.flags, self.conversion)
    }

    fn apply(&self, name: &str, value: &Value) -> Result<String, String> {
        let body = match (value, self.conversion) {
            (Value::Later(mark), _) => return Ok(mark.to_string()),
            (Value::Text(text), 's') => self.cut(text),
            (Value::Number(number), 's') => self.cut(&number.to_string()),
            (Value::Number(number), _) => return Ok(self.digits(*number)),
            (Value::Text(_), _) => return Err(format!("%({name}){} wants a number, and {name} is text", self.text())),
        };
        Ok(self.pad(&body))
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn digits(&self, number: i64) -> String {
        let value = number.unsigned_abs();
        let (prefix, digits) = match self.conversion {
            'x' => ("0x", format!("{value:x}")),
            'X' => ("0X", format!("{value:X}")),
            'o' => ("0o", format!("{value:o}")),
            _ => ("", value.to_string()),
        };
        let prefix = if self.flags.contains('#') { prefix } else { "" };
        let sign = match number {
            ..0 => "-",
            _ if self.flags.contains('+') => "+",
            _ if self.flags.contains(' ') => " ",
            _ => "",
        };
        let least = self.precision.unwrap_or(0);
        let digits = format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
        let filled = sign.len() + prefix.len() + digits.len();
        if self.flags.contains('0') && !self.flags.contains('-') {
            let zeros = self.width.unwrap_or(0).saturating_sub(filled);
            return format!("{sign}{prefix}{}{digits}", "0".repeat(zeros));
        }
        self.pad(&format!("{sign}{prefix}{digits}"))
    }

    fn pad(&self, text: &str) -> String {
        let blanks = " ".repeat(self.width.unwrap_or(0).saturating_sub(text.chars().count()));
        if self.flags.contains('-') { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
    }
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - rest.len()];
    // Too long a number is too wide a field, which the caller refuses.
    ((!number.is_empty()).then(|| number.parse().unwrap_or(usize::MAX)), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::from([
            ("a".to_owned(), Value::Text("text".to_owned())),
            ("n".to_owned(), Value::Number(7)),
            ("later".to_owned(), Value::Later('L')),
        ])
    }

    #[test]
    fn formats_as_python_does() {
        let expanded =
            expand("%(a)s|%(a).2s|%(a)6s|%(a)-6s|%(n)s|%(n)02d|%(n)+d|%(n)-3d|%(n)#x|%(later)03d|100%%", &names());
        assert_eq!(expanded.unwrap(), "text|te|  text|text  |7|07|+7|7  |0x7|L|100%");
        assert_eq!(formats("%(n)s %(n)02d %(n)02d %(a)s", "n"), ["s", "02d"]);
        assert_eq!(number("02d", 3).unwrap(), "03");
    }

    #[test]
    fn knows_what_python_refuses() {
        for text in ["%", "50% off", "%(a)d", "%(b)s", "%(a", "%(a)", "%(a)q", "%s"] {
            assert!(expand(text, &names()).is_err(), "{text}");
        }
    }
}
