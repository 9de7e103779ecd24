//! Words as Python's shlex makes them of a command and of `environment`.
//!
//! [`command`] mirrors `shlex.split`, with which supervisor takes a command
//! apart (process.py, `get_execv_args`); [`pairs`] mirrors
//! `dict_of_key_value_pairs` of its datatypes.py, but refuses what that one
//! drops without a word.

use std::collections::VecDeque;

/// The words of a command.
pub fn command(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => {
                let next = characters.next().ok_or("a backslash at the end")?;
                word.get_or_insert_default().push(next);
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(UNCLOSED)? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => double_quoted(&mut characters, word.get_or_insert_default())?,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

const UNCLOSED: &str = "a quotation mark without its partner";

fn double_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match characters.next().ok_or(UNCLOSED)? {
            '"' => return Ok(()),
            '\\' => {
                let next = characters.next().ok_or(UNCLOSED)?;
                if next != '"' && next != '\\' {
                    word.push('\\');
                }
                word.push(next);
            }
            other => word.push(other),
        }
    }
}

/// The variables of an `environment` value, in order; of a name that stands twice, the last value.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let tokens = tokens(text)?;
    let mut all: Vec<(String, String)> = Vec::new();
    for chunk in tokens.chunks(4) {
        let [name, equals, value, rest @ ..] = chunk else {
            return Err(format!("no NAME=\"value\" in '{}'", chunk.join("")));
        };
        if equals != "=" {
            return Err(format!("no '=' after '{name}'"));
        }
        if rest.first().is_some_and(|separator| separator != ",") {
            return Err(format!("the value of {name} is cut off after '{value}'"));
        }
        let value = value.trim_matches(['\'', '"']).to_owned();
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => all.push((name.clone(), value)),
        }
    }
    Ok(all)
}

/// The tokens of a non-POSIX shlex with supervisor's characters of words.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_/.+-():".contains(c);
    let mut characters: VecDeque<char> = text.chars().collect();
    let mut tokens = Vec::new();
    while let Some(c) = characters.pop_front() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '#' => rest_of_line(&mut characters),
            '\'' | '"' => {
                let end = characters.iter().position(|next| *next == c).ok_or(UNCLOSED)?;
                let inside: String = characters.drain(..=end).collect();
                tokens.push(format!("{c}{inside}"));
            }
            c if is_word(c) => {
                let mut token = c.to_string();
                while let Some(next) = characters.pop_front() {
                    match next {
                        ' ' | '\t' | '\r' | '\n' => break,
                        '#' => rest_of_line(&mut characters),
                        next if is_word(next) || next == '\'' || next == '"' => token.push(next),
                        // A sign after a word is a token, even a quotation mark's partner.
                        next => {
                            tokens.push(std::mem::take(&mut token));
                            token = next.to_string();
                            break;
                        }
                    }
                }
                tokens.push(token);
            }
            other => tokens.push(other.to_string()),
        }
    }
    Ok(tokens)
}

fn rest_of_line(characters: &mut VecDeque<char>) {
    while characters.pop_front().is_some_and(|c| c != '\n') {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_a_shell_splits_words() {
        assert_eq!(
            command(r#"/bin/sh -c "a \"b\" \n" 'c d'e\ f ''"#).unwrap(),
            ["/bin/sh", "-c", r#"a "b" \n"#, "c de f", ""]
        );
        assert_eq!(command("a\nb").unwrap(), ["a", "b"]);
        assert!(command("a 'b").is_err());
        assert!(command("a\\").is_err());
    }

    #[test]
    fn pairs_keep_quoted_commas_and_refuse_what_would_be_cut() {
        let all = pairs("A=\"1,2\",B='x y',C=/p:q,A=3").unwrap();
        assert_eq!(all, [("A".into(), "3".into()), ("B".into(), "x y".into()), ("C".into(), "/p:q".into())]);
        assert_eq!(pairs("").unwrap(), []);
        assert_eq!(pairs("A=$HOME").unwrap_err(), "the value of A is cut off after '$'");
        assert_eq!(pairs("A").unwrap_err(), "no NAME=\"value\" in 'A'");
        assert!(pairs("A=1 B=2").is_err());
        assert!(pairs("A=\"1").is_err());
    }
}
