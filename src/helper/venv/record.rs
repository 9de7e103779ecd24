//! RECORD: the list of a distribution's installed files.
//!
//! Owns reading and writing of its CSV ("Recording installed projects", Python
//! packaging specifications; the dialect is that of Python's `csv` by default).
//! Hashes nothing itself.

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Path relative to site-packages, or absolute.
    pub path: String,
    /// `sha256=<url-safe base64 without padding>`; none for RECORD itself.
    pub hash: Option<String>,
    /// Size in bytes.
    pub size: Option<u64>,
}

/// The rows of a RECORD, in order; empty lines are skipped.
pub fn read(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for fields in records(text) {
        let mut fields = fields.into_iter();
        let Some(path) = fields.next().filter(|path| !path.is_empty()) else { continue };
        let hash = fields.next().filter(|hash| !hash.is_empty());
        let size = fields.next().and_then(|size| size.parse().ok());
        rows.push(Row { path, hash, size });
    }
    rows
}

/// A RECORD with these rows, sorted, each path once, lines ending in a line feed.
pub fn write(rows: &[Row]) -> String {
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort();
    sorted.dedup_by(|a, b| a.path == b.path);
    let mut text = String::new();
    for row in sorted {
        text.push_str(&quoted(&row.path));
        text.push(',');
        text.push_str(&row.hash.as_deref().map(quoted).unwrap_or_default());
        text.push(',');
        text.push_str(&row.size.map(|size| size.to_string()).unwrap_or_default());
        text.push('\n');
    }
    text
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Records of fields; a quoted field may hold commas, line ends and doubled quotes.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut in_quotes = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if in_quotes => in_quotes = false,
            '"' if field.is_empty() => in_quotes = true,
            ',' if !in_quotes => record.push(std::mem::take(&mut field)),
            '\r' if !in_quotes && characters.peek() == Some(&'\n') => {}
            '\n' | '\r' if !in_quotes => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_paths() {
        let rows = read("\"a,b\"\"c.py\",sha256=x,12\r\n\r\np/RECORD,,\nlast,h");
        let paths: Vec<_> = rows.iter().map(|row| (row.path.as_str(), row.size)).collect();
        assert_eq!(paths, [("a,b\"c.py", Some(12)), ("p/RECORD", None), ("last", None)]);
        assert_eq!(write(&rows), "\"a,b\"\"c.py\",sha256=x,12\nlast,h,\np/RECORD,,\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::btree_map("[a-z,\"\\n\\r é/]{1,12}", ("[a-z=,]{0,5}", any::<Option<u64>>()), 0..6)
        ) {
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(path, (hash, size))| Row { path, hash: Some(hash).filter(|hash| !hash.is_empty()), size })
                .collect();
            prop_assert_eq!(read(&write(&rows)), rows);
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,60}") {
            read(&text);
        }
    }
}
