//! Quotation marks around a setting in a template: YAML needs them, and where
//! the escaper writes them itself they must not be there. (TOML and JSON are
//! parsed by [`super::rendering`].)

use std::collections::BTreeMap;

use super::description::Description;
use crate::configuration::manifest::Escape;
use crate::configuration::setting::Kind;
use crate::configuration::template::Template;
use crate::error::{Diagnostic, Location};

/// An expression in a line of a template, and whether it stands between quotes.
struct Put<'a> {
    expression: &'a str,
    quote: Option<char>,
}

/// Every fault. `templates`: by the index of their file, with their texts.
pub fn check(description: &Description, templates: &BTreeMap<usize, (&Template, &str)>) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for (index, (template, text)) in templates {
        let Some(file) = description.files.get(*index) else { continue };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
            for put in puts(line) {
                let fault = fault(description, file.item.escape, &put);
                faults.extend(fault.map(|fault| fault.at(Location::line(template.file(), number + 1))));
            }
        }
    }
    faults
}

fn fault(description: &Description, escape: Escape, put: &Put<'_>) -> Option<Diagnostic> {
    let name = put.expression;
    match (escape, put.quote) {
        (Escape::Shell | Escape::Systemd, Some(quote)) => Some(
            Diagnostic::error(format!("'{name}' stands between quotes, which the escaper writes itself"))
                .hint(format!("write {{{{{name}}}}} without the {quote} around it")),
        ),
        (Escape::Yaml, quote) if quote != Some('"') && is_text(description, name) => Some(
            Diagnostic::error(format!("'{name}' may hold any text, and does not stand between double quotes"))
                .hint(format!("write \"{{{{{name}}}}}\": YAML would take some values for something else")),
        ),
        _ => None,
    }
}

/// Whether the value is text, and no number or word of a fixed set.
fn is_text(description: &Description, name: &str) -> bool {
    let setting = description.settings.iter().map(|placed| &placed.item.setting).find(|setting| setting.name == name);
    match setting.map(|setting| &setting.kind) {
        Some(Kind::Integer { .. } | Kind::Boolean | Kind::Port | Kind::Enum { .. }) => false,
        Some(_) => true,
        // A part of a hostport, an item of a list, a function.
        None => name == "this" || name.ends_with(".host"),
    }
}

/// The expressions of a line. Quotes are counted in the text between them.
fn puts(line: &str) -> Vec<Put<'_>> {
    let mut found = Vec::new();
    let mut quote: Option<char> = None;
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        for c in before.chars() {
            match quote {
                None if c == '"' || c == '\'' => quote = Some(c),
                Some(open) if open == c => quote = None,
                _ => {}
            }
        }
        let Some((inside, after)) = after.split_once("}}") else { break };
        let expression = inside.trim_matches(['{', '}', '&', '~', ' ']);
        if !expression.starts_with(['#', '/', '!', '^']) && !expression.starts_with("else") && !before.ends_with('\\') {
            found.push(Put { expression, quote });
        }
        rest = after.trim_start_matches('}');
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_counted_between_expressions() {
        let shown = |line: &str| -> Vec<String> {
            puts(line).iter().map(|put| format!("{}{}", put.expression, put.quote.unwrap_or(' '))).collect()
        };
        assert_eq!(shown("a: \"{{x}}-{{{y}}}\" {{~z~}} '{{w}}'"), ["x\"", "y\"", "z ", "w'"]);
        assert_eq!(shown("{{#if x}}\"{{y}}\"{{else}}{{/if}} \\{{no}} {{! it's }}"), ["y\""]);
    }
}
