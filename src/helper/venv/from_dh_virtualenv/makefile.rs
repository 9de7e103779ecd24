//! As much of GNU make as people use in debian/rules: variables, rules, recipes.
//!
//! Owns reading and expansion; runs nothing and evaluates no condition. Of a
//! conditional, the first branch is read, and what was read in one says so.
//! A reference that cannot be expanded (`$(shell …)`, a variable of the
//! environment) stays as it is, so that a caller finds the `$`.
//! Source: GNU make's manual, chapters 3.5 to 6.

use std::collections::{BTreeMap, BTreeSet};

/// Around a reference that was not expanded, so that it stays one word whatever is in it.
pub(super) const OPAQUE: (char, char) = ('\u{2}', '\u{3}');

/// References nested deeper than this are a loop.
const DEEPEST: usize = 32;

#[derive(Debug, Clone)]
struct Variable {
    value: String,
    /// `:=`: the value is expanded already.
    simple: bool,
    /// Line of the conditional that it stands in.
    conditional: Option<usize>,
}

/// One line of a recipe, continuation lines included (joined by line feeds).
#[derive(Debug, Clone)]
pub(super) struct RecipeLine {
    /// Its first line in the file, from 1.
    pub line: usize,
    /// Not expanded, without the leading tab and `@`, `-`, `+`.
    pub text: String,
    /// Line of the conditional that it stands in.
    pub conditional: Option<usize>,
}

/// Targets with a recipe.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub targets: Vec<String>,
    pub line: usize,
    pub recipe: Vec<RecipeLine>,
}

/// A makefile as read.
#[derive(Debug, Default)]
pub(super) struct Makefile {
    variables: BTreeMap<String, Variable>,
    /// Target → its own variables.
    own: BTreeMap<String, BTreeMap<String, Variable>>,
    exported: BTreeSet<String>,
    export_all: bool,
    pub rules: Vec<Rule>,
}

/// An expansion: the text, and the conditionals that it depends on.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    pub text: String,
    pub conditionals: BTreeSet<usize>,
}

impl Makefile {
    /// Reads `text`. `given` are variables that make or its includes define.
    pub(super) fn read(text: &str, given: &[(&str, &str)]) -> Self {
        let mut makefile = Self::default();
        for (name, value) in given {
            makefile
                .variables
                .insert((*name).to_owned(), Variable { value: (*value).to_owned(), simple: true, conditional: None });
        }
        let mut open: Vec<(usize, bool)> = Vec::new();
        let mut defining = false;
        let mut in_rule = false;
        for (line, raw) in logical_lines(text) {
            let word = raw.split_whitespace().next().unwrap_or_default();
            if defining {
                defining = word != "endef";
                continue;
            }
            if !raw.starts_with('\t') {
                match word {
                    "ifeq" | "ifneq" | "ifdef" | "ifndef" => {
                        open.push((line, true));
                        continue;
                    }
                    "else" => {
                        if let Some(last) = open.last_mut() {
                            last.1 = false;
                        }
                        continue;
                    }
                    "endif" => {
                        open.pop();
                        continue;
                    }
                    "define" => {
                        defining = true;
                        continue;
                    }
                    _ => {}
                }
            }
            if open.iter().any(|(_, first)| !first) {
                continue;
            }
            let conditional = open.last().map(|(line, _)| *line);
            if let (Some(command), true) = (raw.strip_prefix('\t'), in_rule) {
                makefile.add_recipe_line(line, command, conditional);
            } else if !uncomment(&raw).trim().is_empty() {
                in_rule = makefile.read_line(line, uncomment(&raw).trim(), conditional);
            }
        }
        makefile
    }

    fn add_recipe_line(&mut self, line: usize, command: &str, conditional: Option<usize>) {
        let text = command.trim_start_matches(['@', '-', '+', ' ', '\t']).to_owned();
        if let (Some(rule), false) = (self.rules.last_mut(), text.is_empty() || text.starts_with('#')) {
            rule.recipe.push(RecipeLine { line, text, conditional });
        }
    }

    /// An assignment or the head of a rule; true where recipe lines may follow.
    fn read_line(&mut self, line: usize, text: &str, conditional: Option<usize>) -> bool {
        if let Some(rest) = text.strip_prefix("export").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        {
            if rest.trim().is_empty() {
                self.export_all = true;
            } else if assignment(rest).is_none() {
                self.exported.extend(rest.split_whitespace().map(str::to_owned));
                return false;
            }
        }
        if let Some((name, operator, value, export)) = assignment(text) {
            if export {
                self.exported.insert(name.to_owned());
            }
            let mut scope = std::mem::take(&mut self.variables);
            self.assign(&mut scope, name, operator, value, conditional);
            self.variables = scope;
            return false;
        }
        let Some((targets, rest)) = text.split_once(':') else { return false };
        let targets: Vec<String> = self.expand(targets, None).text.split_whitespace().map(str::to_owned).collect();
        let rest = rest.trim_start_matches(':');
        if let Some((name, operator, value, export)) = assignment(rest) {
            if export {
                self.exported.insert(name.to_owned());
            }
            for target in targets {
                let mut scope = self.own.remove(&target).unwrap_or_default();
                if operator == "+=" && !scope.contains_key(name) {
                    scope.extend(self.variables.get_key_value(name).map(|(k, v)| (k.clone(), v.clone())));
                }
                self.assign(&mut scope, name, operator, value, conditional);
                self.own.insert(target, scope);
            }
            return false;
        }
        self.rules.push(Rule { targets, line, recipe: Vec::new() });
        if let Some((_, command)) = rest.split_once(';') {
            self.add_recipe_line(line, command, conditional);
        }
        true
    }

    fn assign(
        &self,
        scope: &mut BTreeMap<String, Variable>,
        name: &str,
        operator: &str,
        value: &str,
        conditional: Option<usize>,
    ) {
        let value = value.trim();
        let before = scope.get(name).cloned();
        let expand = |value: &str| expand(value, &[scope, &self.variables], DEEPEST, &mut BTreeSet::new());
        let variable = match (operator, before) {
            ("?=", Some(_)) => return,
            ("+=", Some(old)) => {
                let more = if old.simple { expand(value) } else { value.to_owned() };
                let conditional = conditional.or(old.conditional);
                Variable { value: format!("{} {more}", old.value).trim().to_owned(), simple: old.simple, conditional }
            }
            (":=" | "::=", _) => Variable { value: expand(value), simple: true, conditional },
            ("!=", _) => Variable { value: format!("$(shell {value})"), simple: false, conditional },
            _ => Variable { value: value.to_owned(), simple: false, conditional },
        };
        scope.insert(name.to_owned(), variable);
    }

    /// Expands `text` as in a recipe of `target`; line feeds in `text` stay, those of values go.
    pub(super) fn expand(&self, text: &str, target: Option<&str>) -> Expansion {
        let none = BTreeMap::new();
        let own = target.and_then(|target| self.own.get(target)).unwrap_or(&none);
        let mut conditionals = BTreeSet::new();
        let text = expand(text, &[own, &self.variables], DEEPEST, &mut conditionals);
        Expansion { text, conditionals }
    }

    /// The expanded value of a variable for `target`; second: whether commands see it.
    pub(super) fn variable(&self, name: &str, target: Option<&str>) -> Option<(String, bool)> {
        let known = self.variables.contains_key(name)
            || target.is_some_and(|target| self.own.get(target).is_some_and(|own| own.contains_key(name)));
        let seen = self.export_all || self.exported.contains(name);
        known.then(|| (self.expand(&format!("$({name})"), target).text.replace([OPAQUE.0, OPAQUE.1], ""), seen))
    }
}

/// Lines with their continuation lines (joined by a line feed, the backslash gone), numbered from 1.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let stripped = line.strip_suffix('\\');
        let body = stripped.unwrap_or(line);
        match lines.last_mut().filter(|_| continues) {
            Some((_, whole)) => {
                whole.push('\n');
                whole.push_str(body.strip_prefix('\t').unwrap_or(body));
            }
            None => lines.push((index + 1, body.to_owned())),
        }
        continues = stripped.is_some();
    }
    lines
}

/// The line without its comment.
fn uncomment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before != '\\' {
            return &line[..at];
        }
        before = c;
    }
    line
}

/// `[export|override] NAME op value` → name, operator, value, exported.
fn assignment(text: &str) -> Option<(&str, &str, &str, bool)> {
    let mut rest = text.trim();
    let mut export = false;
    while let Some((word, more)) = rest.split_once([' ', '\t']) {
        match word {
            "export" => export = true,
            "override" | "private" => {}
            _ => break,
        }
        rest = more.trim_start();
    }
    let equals = rest.find('=')?;
    let head = &rest[..equals];
    let operator = ["::", ":", "+", "?", "!"].into_iter().find(|operator| head.ends_with(operator)).unwrap_or_default();
    let name = head[..head.len() - operator.len()].trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    is_name.then(|| (name, &rest[equals - operator.len()..=equals], &rest[equals + 1..], export))
}

fn expand(
    text: &str,
    scopes: &[&BTreeMap<String, Variable>],
    depth: usize,
    conditionals: &mut BTreeSet<usize>,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (reference, length) = match rest.chars().next() {
            Some('$') => {
                out.push('$');
                rest = &rest[1..];
                continue;
            }
            Some(bracket @ ('(' | '{')) => match closing(rest, bracket) {
                Some(end) => (&rest[1..end], end + 1),
                None => (&rest[1..], rest.len()),
            },
            Some(c) => (&rest[..c.len_utf8()], c.len_utf8()),
            None => break,
        };
        let found = scopes.iter().find_map(|scope| scope.get(reference.trim()));
        match found {
            Some(variable) if depth > 0 => {
                conditionals.extend(variable.conditional);
                let value = if variable.simple {
                    variable.value.clone()
                } else {
                    expand(&variable.value, scopes, depth - 1, conditionals)
                };
                out.push_str(&value.replace('\n', " "));
            }
            _ => match function(reference, scopes) {
                Some(value) => out.push_str(&value),
                None => {
                    out.extend([OPAQUE.0, '$']);
                    out.push_str(&rest[..length]);
                    out.push(OPAQUE.1);
                }
            },
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The few functions whose answer is known without running anything.
fn function(reference: &str, scopes: &[&BTreeMap<String, Variable>]) -> Option<String> {
    let command = reference.strip_prefix("shell ")?.trim();
    if command == "pwd" {
        return Some(".".to_owned());
    }
    let asks_source = command.starts_with("dpkg-parsechangelog") && command.to_lowercase().contains("source");
    asks_source.then(|| scopes.iter().find_map(|scope| scope.get("DEB_SOURCE")).map(|v| v.value.clone())).flatten()
}

/// Where the bracket that opens `text` closes.
fn closing(text: &str, open: char) -> Option<usize> {
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}
