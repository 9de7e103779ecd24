//! A recipe line as the shell splits it: commands and their words.
//!
//! Owns quoting, operators and redirections; expands and runs nothing.
//! Source: POSIX, Shell Command Language, 2.2, 2.3 and 2.7.

use super::makefile::OPAQUE;

/// A word, unquoted, with the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub line: usize,
}

impl Word {
    /// Whether something in it is known to the build only: `$(shell …)`, `$HOME`, a back-quote.
    pub(super) fn is_open(&self) -> bool {
        self.text.contains(['$', '`'])
    }
}

/// The simple commands of `text`, which begins on `first`; a line feed is a continued line.
pub(super) fn commands(text: &str, first: usize) -> Vec<Vec<Word>> {
    let mut reader = Reader { line: first, ..Reader::default() };
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (reader.quote, c) {
            (_, c) if c == OPAQUE.0 => {
                for inner in characters.by_ref().take_while(|c| *c != OPAQUE.1) {
                    reader.push(inner);
                }
            }
            (Some(quote), c) if c == quote => reader.quote = None,
            (Some('\''), c) => reader.push(c),
            (_, '\\') => {
                if let Some(next) = characters.next() {
                    if reader.quote.is_some() && !"$`\"\\".contains(next) {
                        reader.push('\\');
                    }
                    reader.push(next);
                }
            }
            (Some(_), c) => reader.push(c),
            (None, '\'' | '"') => {
                reader.quote = Some(c);
                reader.start();
            }
            (None, '\n') => {
                reader.end_word();
                reader.line += 1;
            }
            (None, ' ' | '\t') => reader.end_word(),
            (None, '>' | '<') => {
                reader.redirect();
                while characters.next_if(|c| ">&".contains(*c)).is_some() {}
            }
            (None, ';' | '&' | '|' | '(' | ')') => reader.end_command(),
            (None, '#') if reader.word.is_none() => {
                for rest in characters.by_ref() {
                    reader.line += usize::from(rest == '\n');
                }
            }
            (None, c) => reader.push(c),
        }
    }
    reader.end_command();
    reader.commands
}

#[derive(Default)]
struct Reader {
    line: usize,
    quote: Option<char>,
    word: Option<Word>,
    words: Vec<Word>,
    commands: Vec<Vec<Word>>,
    /// The next word is a redirection's target.
    target: bool,
}

impl Reader {
    fn start(&mut self) -> &mut Word {
        let line = self.line;
        self.word.get_or_insert_with(|| Word { text: String::new(), line })
    }

    fn push(&mut self, c: char) {
        self.start().text.push(c);
        self.line += usize::from(c == '\n');
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            if self.target {
                self.target = false;
            } else {
                self.words.push(word);
            }
        }
    }

    fn redirect(&mut self) {
        if self.word.as_ref().is_some_and(|word| word.text.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        self.target = true;
    }

    fn end_command(&mut self) {
        self.end_word();
        self.target = false;
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}

/// The command as text again, for a message; long ones are cut.
pub(super) fn show(command: &[Word]) -> String {
    let text = command.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// `NAME=value` before a command, or after `export`.
pub(super) fn environment(word: &Word) -> Option<(&str, &str)> {
    let (name, value) = word.text.split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, value))
}
