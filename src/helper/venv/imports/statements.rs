//! Import statements of a Python file, found without parsing Python.
//!
//! Owns lines, strings and comments as far as they decide where a statement
//! begins (Python language reference, "Lexical analysis"). A line inside a string
//! is never taken for a statement.

/// One `import` or `from … import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// Module named, without leading dots.
    pub module: String,
    /// Leading dots.
    pub level: usize,
    /// Names after `from … import`; empty for a plain import.
    pub names: Vec<String>,
    /// Line, from 1.
    pub line: usize,
    /// Whether it is indented or follows other code on its line, so that it may never run.
    pub guarded: bool,
}

/// What a line begins in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    /// In a string of three such quotes.
    Triple(u8),
    /// In a string of one such quote, continued by a backslash.
    Single(u8),
}

/// All imports of `source`, in order.
pub(super) fn imports(source: &[u8]) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut state = State::Code;
    let mut position = 0;
    let mut number = 0;
    while position < source.len() {
        let end = memchr::memchr(b'\n', &source[position..]).map_or(source.len(), |at| position + at);
        let line = &source[position..end];
        number += 1;
        if state == State::Code {
            let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0c')).count();
            let code = &line[indent..];
            if begins_import(code) {
                let (statement, next, lines) = logical(source, position + indent);
                parse(&statement, number, indent > 0, &mut imports);
                position = next;
                number += lines - 1;
                continue;
            }
            // `x = 1; import y` and `try: import y`
            if memchr::memchr2(b';', b':', code).is_some() && memchr::memmem::find(code, b"import ").is_some() {
                inline(code, number, &mut imports);
            }
        }
        state = after(line, state);
        position = end + 1;
    }
    imports
}

fn begins_import(code: &[u8]) -> bool {
    let spaced =
        |word: &[u8]| code.strip_prefix(word).is_some_and(|rest| rest.starts_with(b" ") || rest.starts_with(b"\t"));
    match code.first() {
        Some(b'i') => spaced(b"import"),
        Some(b'f') => spaced(b"from") || code.starts_with(b"from."),
        _ => false,
    }
}

/// The statement that begins at `start`, joined over parentheses and backslashes,
/// without comments; where the next line begins; how many lines it took.
fn logical(source: &[u8], start: usize) -> (Vec<u8>, usize, usize) {
    let mut statement = Vec::new();
    let mut position = start;
    let mut lines = 0;
    let mut open = false;
    loop {
        let end = memchr::memchr(b'\n', &source[position..]).map_or(source.len(), |at| position + at);
        let line = &source[position..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let code = &line[..memchr::memchr(b'#', line).unwrap_or(line.len())];
        lines += 1;
        position = (end + 1).min(source.len());
        open = (open || code.contains(&b'(')) && !code.contains(&b')');
        let continued = code.strip_suffix(b"\\");
        statement.extend_from_slice(continued.unwrap_or(code));
        // A statement of more lines than this is no import, but a broken file.
        if !(open || continued.is_some()) || end >= source.len() || lines > 2000 {
            return (statement, position, lines);
        }
        statement.push(b' ');
    }
}

/// Imports after a semicolon or colon of a line that begins with other code.
fn inline(code: &[u8], line: usize, imports: &mut Vec<Import>) {
    let mut piece = 0;
    let mut at = 0;
    while at < code.len() {
        match code[at] {
            b'#' => return,
            quote @ (b'"' | b'\'') => {
                // A string on a line like this one is short; to its end, or give up.
                match memchr::memchr(quote, &code[at + 1..]) {
                    Some(length) => at += length + 1,
                    None => return,
                }
            }
            b';' | b':' => piece = at + 1,
            _ => {}
        }
        at += 1;
        let rest = code[piece..].trim_ascii_start();
        if piece > 0 && at == piece && begins_import(rest) {
            let end = memchr::memchr2(b'#', b';', rest).unwrap_or(rest.len());
            parse(&rest[..end], line, true, imports);
        }
    }
}

/// Split a logical line at semicolons and read each import in it.
fn parse(statement: &[u8], line: usize, guarded: bool, imports: &mut Vec<Import>) {
    for part in statement.split(|byte| *byte == b';') {
        let Ok(text) = std::str::from_utf8(part) else { continue };
        let text = text.trim();
        if let Some(modules) = text.strip_prefix("import").filter(|rest| rest.starts_with([' ', '\t'])) {
            for module in modules.split(',').filter_map(name) {
                imports.push(Import { module, level: 0, names: Vec::new(), line, guarded });
            }
        } else if let Some(rest) = text.strip_prefix("from").filter(|rest| rest.starts_with([' ', '\t', '.'])) {
            let rest = rest.trim_start();
            let dotted = rest.trim_start_matches(['.', ' ', '\t']);
            let level = rest[..rest.len() - dotted.len()].matches('.').count();
            let (module, names) = match dotted.strip_prefix("import").filter(|r| level > 0 && !r.starts_with(is_name)) {
                Some(names) => (String::new(), names),
                None => {
                    // White space may stand around the dots, too.
                    let Some(at) = dotted.match_indices("import").map(|(at, _)| at).find(|at| {
                        dotted[..*at].ends_with(char::is_whitespace) && !dotted[at + 6..].starts_with(is_name)
                    }) else {
                        continue;
                    };
                    let Some(module) = name(&dotted[..at].split_whitespace().collect::<String>()) else { continue };
                    let names = &dotted[at + 6..];
                    (module, names)
                }
            };
            let names =
                names.trim().trim_start_matches('(').trim_end_matches(')').split(',').filter_map(name).collect();
            imports.push(Import { module, level, names, line, guarded });
        }
    }
}

/// The dotted name before `as`; `None` for `*` and what is no name.
fn name(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    word.chars().all(|c| is_name(c) || c == '.').then(|| word.to_owned())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The state after `line`, which begins in `state`.
fn after(line: &[u8], mut state: State) -> State {
    let mut at = 0;
    loop {
        match state {
            State::Code => match memchr::memchr3(b'"', b'\'', b'#', &line[at..]) {
                None => return State::Code,
                Some(found) if line[at + found] == b'#' => return State::Code,
                Some(found) => {
                    at += found;
                    let quote = line[at];
                    if line[at..].starts_with(&[quote; 3]) {
                        state = State::Triple(quote);
                        at += 3;
                    } else {
                        state = State::Single(quote);
                        at += 1;
                    }
                }
            },
            State::Triple(quote) => match memchr::memchr2(quote, b'\\', &line[at..]) {
                None => return state,
                Some(found) if line[at + found] == b'\\' => at = (at + found + 2).min(line.len()),
                Some(found) => {
                    at += found;
                    if line[at..].starts_with(&[quote; 3]) {
                        state = State::Code;
                        at += 3;
                    } else {
                        at += 1;
                    }
                }
            },
            State::Single(quote) => match memchr::memchr2(quote, b'\\', &line[at..]) {
                // Without a backslash at its end such a string ends with its line.
                None => return State::Code,
                Some(found) if line[at + found] == b'\\' => {
                    at += found + 2;
                    if at > line.len() || line[at - 1..] == *b"\r" {
                        return state;
                    }
                }
                Some(found) => {
                    at += found + 1;
                    state = State::Code;
                }
            },
        }
    }
}
