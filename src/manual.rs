//! The part of a manual page that is made from the command line's definition.
//!
//! Owns the roff of the OPTIONS section. What a page says besides is prose in
//! `man/`, and the test that compares them is in `tests/manpages.rs`.

use std::fmt::Write;

use clap::{Arg, Command};

/// The line in a manual page after which the generated part begins.
pub const BEGIN: &str = ".\\\" generated: options";
/// The line before which it ends.
pub const END: &str = ".\\\" end of the generated part";

/// Every option that is not hidden, in groups by heading, as roff (man(7)): the
/// option's names, its value, its help with a full stop.
pub fn options_region(command: &Command) -> String {
    let mut headings: Vec<Option<&str>> = Vec::new();
    for argument in command.get_arguments() {
        if !headings.contains(&argument.get_help_heading()) {
            headings.push(argument.get_help_heading());
        }
    }
    let mut text = String::new();
    for heading in headings {
        if let Some(heading) = heading {
            let _ = writeln!(text, ".SS {}", escaped(heading));
        }
        let own = |argument: &&Arg| argument.get_help_heading() == heading && !argument.is_hide_set();
        for argument in command.get_arguments().filter(own) {
            let _ = writeln!(text, ".TP\n{}", names(argument));
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "{}", wrapped(&escaped(&format!("{help}."))));
        }
    }
    text
}

/// Every command below this one that is not hidden, with its words and its help,
/// as roff; nothing where there are none.
pub fn commands_region(command: &Command) -> String {
    let mut text = String::new();
    commands(command, command.get_name(), &mut text);
    text
}

fn commands(command: &Command, words: &str, text: &mut String) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let words = format!("{words} {}", sub.get_name());
        if sub.has_subcommands() {
            commands(sub, &words, text);
            continue;
        }
        let _ = writeln!(text, ".TP\n\\fB{}\\fR{}", escaped(&words), arguments(sub));
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "{}", wrapped(&escaped(&format!("{about}."))));
    }
}

/// A command's arguments, and the options that are its own.
fn arguments(command: &Command) -> String {
    let shown = |argument: &&Arg| !argument.is_hide_set() && !argument.is_global_set();
    let mut text = String::new();
    for argument in command.get_arguments().filter(shown) {
        let name = match argument.get_long() {
            Some(long) => format!("\\fB\\-\\-{}\\fR", escaped(long)),
            None => {
                let values = argument.get_value_names().unwrap_or_default();
                format!("\\fI{}\\fR", values.iter().map(|name| escaped(name)).collect::<Vec<_>>().join(" "))
            }
        };
        let several = matches!(argument.get_action(), clap::ArgAction::Append);
        let name = if several { format!("{name}...") } else { name };
        let _ = if argument.is_required_set() { write!(text, " {name}") } else { write!(text, " [{name}]") };
    }
    text
}

/// The options that every command takes, then each command with its arguments and
/// options, as roff: for a program with commands.
pub fn sections_region(command: &Command) -> String {
    let mut text = String::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        text.push_str(&entry(argument));
    }
    for one in command.get_subcommands() {
        describe(one, command.get_name(), &mut text);
    }
    text
}

fn describe(command: &Command, before: &str, text: &mut String) {
    let name = format!("{before} {}", command.get_name());
    if command.has_subcommands() {
        command.get_subcommands().for_each(|one| describe(one, &name, text));
        return;
    }
    let operands = command.get_positionals().map(|argument| {
        let value = argument.get_value_names().unwrap_or_default().join(" ");
        let several = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
        let value = if several { format!("{value}...") } else { value };
        if argument.is_required_set() { value } else { format!("[{value}]") }
    });
    let operands: Vec<String> = operands.collect();
    let heading = format!("{name} {}", operands.join(" "));
    let _ = writeln!(text, ".SS {}", escaped(heading.trim_end()));
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "{}", wrapped(&escaped(&format!("{about}."))));
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        text.push_str(&entry(argument));
    }
}

/// An argument as an item of a list: its names or its value, then its help.
fn entry(argument: &Arg) -> String {
    let head = if argument.is_positional() {
        let value = argument.get_value_names().unwrap_or_default().join(" ");
        format!("\\fI{}\\fR", escaped(&value))
    } else {
        names(argument)
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    format!(".TP\n{head}\n{}\n", wrapped(&escaped(&format!("{help}."))))
}

/// `.BR \-p ", " \-\-package " \fIPACKAGE\fR"`: names in bold, the value in italics.
fn names(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("\\fB\\-{short}\\fR"));
    let long = argument.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long)));
    let joined: Vec<String> = short.iter().chain(&long).cloned().collect();
    let mut text = joined.join(", ");
    if argument.get_action().takes_values() {
        let values = argument.get_value_names().unwrap_or_default();
        let value = values.iter().map(|name| escaped(name)).collect::<Vec<_>>().join(" ");
        let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
        let equals = if long.is_some() { "=" } else { "" };
        let _ = if optional {
            write!(text, "[{equals}\\fI{value}\\fR]")
        } else {
            write!(text, "{}\\fI{value}\\fR", if equals.is_empty() { " " } else { equals })
        };
    }
    text
}

/// Source lines of at most 80 characters, as mandoc(1) -T lint asks.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= 80 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    // A dot or an apostrophe at the beginning of a line would be a request.
    let safe = |line: &String| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.clone() };
    lines.iter().map(safe).collect::<Vec<_>>().join("\n")
}

/// Text that roff prints as it is: `-` is a minus sign, a dot or an apostrophe
/// at the beginning of a line is no request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_grouped_and_escaped() {
        let command = Command::new("x")
            .arg(Arg::new("a").long("no-index").value_name("URL").help("Packager's .ini, a-b"))
            .arg(Arg::new("b").short('v').long("verbose").action(clap::ArgAction::SetTrue).help("Talk"))
            .arg(Arg::new("c").long("secret").hide(true))
            .arg(Arg::new("d").short('V').value_name("X").num_args(0..=1).help("Odd").help_heading("Others"));
        assert_eq!(
            options_region(&command),
            ".TP\n\\fB\\-\\-no\\-index\\fR=\\fIURL\\fR\nPackager\\(aqs .ini, a\\-b.\n\
             .TP\n\\fB\\-v\\fR, \\fB\\-\\-verbose\\fR\nTalk.\n\
             .SS Others\n.TP\n\\fB\\-V\\fR[\\fIX\\fR]\nOdd.\n"
        );
    }
}
