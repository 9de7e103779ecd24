//! Texts as a person may see them: secrets replaced.

/// What is shown instead of a secret.
pub const MASKED: &str = "********";

/// What has to be hidden in the texts of one file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// Secrets as they stand in the file and as they are, the longest first.
    values: Vec<String>,
    /// First words of the lines that hold a secret in the new version.
    keys: Vec<String>,
    /// Lines of the new version, secrets replaced; kept where a secret stands at
    /// the beginning of a line, and so nothing says which old lines were secrets.
    known: Option<Vec<String>>,
}

impl Mask {
    /// Hide these values, and what stands for them in other versions of the
    /// file: `masked` is the new version with every secret replaced.
    pub fn new(values: impl IntoIterator<Item = String>, masked: &str) -> Self {
        let mut values: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let secret = masked.lines().filter_map(|line| line.split_once(MASKED));
        let keys: Vec<String> = secret.map(|(before, _)| key(before).to_owned()).collect();
        let known = keys.iter().any(String::is_empty).then(|| masked.lines().map(str::to_owned).collect());
        Self { values, keys, known }
    }

    /// The text without the values.
    pub fn values_in(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), MASKED))
    }

    /// Another version of the file: also without what stands where a secret stands in the new one.
    pub fn version(&self, text: &str) -> String {
        self.values_in(text).split_inclusive('\n').map(|line| self.line(line)).collect()
    }

    fn line(&self, line: &str) -> String {
        let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
        if body.contains(MASKED) || body.trim().is_empty() {
            return line.to_owned();
        }
        let key = key(body);
        if !key.is_empty() && self.keys.iter().any(|secret| secret == key) {
            return format!("{key} {MASKED}{end}");
        }
        match &self.known {
            Some(known) if !known.iter().any(|known| known == body) => format!("{MASKED}{end}"),
            _ => line.to_owned(),
        }
    }
}

/// The first word of a line: what `key = value`, `key: value`, `key value` and
/// `"key": "value"` have in front.
fn key(line: &str) -> &str {
    let line = line.trim_start();
    let end = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace()).unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_are_hidden_everywhere() {
        let mask = Mask::new(["hunter2".to_owned(), "hunter2-longer".to_owned()], "");
        assert_eq!(mask.values_in("a=hunter2-longer b=hunter2"), "a=******** b=********");
    }

    #[test]
    fn an_old_secret_that_nobody_knows_is_hidden_by_its_place() {
        let mask = Mask::new(["new".to_owned()], "[x]\nkey = ********\nlisten = 1\n");
        assert_eq!(mask.version("[x]\nkey=old\nlisten = 2\n"), "[x]\nkey ********\nlisten = 2\n");
    }

    #[test]
    fn in_a_file_that_is_a_secret_only_known_lines_are_shown() {
        let mask = Mask::new(["new".to_owned()], "# password\n********\n");
        assert_eq!(mask.version("# password\nold\n"), "# password\n********\n");
    }
}
