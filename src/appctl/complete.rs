//! What may come next on a command line, for the shells' completions.
//!
//! Owns the order of a command line and nothing else: the commands and options
//! are those of [`super::cli`], the names those of the manifests. What stands in
//! /etc and in the state of a package is not read, so everybody may complete.
//! Pure.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use crate::configuration::setting::{Kind, Setting};

/// Something that may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The whole word.
    pub word: String,
    /// What it is; may be empty.
    pub about: String,
}

/// Where names come from.
pub trait Names {
    /// The packages that have a manifest.
    fn packages(&self) -> Vec<String>;
    /// The settings of a package.
    fn settings(&self, package: &str) -> Vec<Setting>;
    /// The programs of a package.
    fn programs(&self, package: &str) -> Vec<String>;
    /// The files of a package.
    fn files(&self, package: &str) -> Vec<String>;
}

/// A command line up to the word that is completed.
struct Line<'a> {
    command: &'a Command,
    positionals: Vec<&'a str>,
    options: Vec<&'a str>,
    /// Whether the next word is the value of an option.
    is_value: bool,
}

/// `--root` of an unfinished command line.
pub fn root(words: &[String]) -> Option<PathBuf> {
    let value = |(at, word): (usize, &String)| match word.strip_prefix("--root=") {
        Some(value) => Some(value.to_owned()),
        None if word == "--root" => words.get(at + 1).cloned(),
        None => None,
    };
    words.iter().enumerate().find_map(value).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// What may stand for the last of `words`, which may be empty.
pub fn candidates(command: &Command, words: &[String], names: &impl Names) -> Vec<Candidate> {
    let Some((current, before)) = words.split_last() else { return Vec::new() };
    let line = Line::read(command, before);
    let all = if line.is_value {
        Vec::new()
    } else if current.starts_with('-') {
        line.options(command)
    } else if line.command.has_subcommands() {
        line.commands()
    } else {
        line.names(current, names)
    };
    all.into_iter().filter(|candidate| candidate.word.starts_with(current)).collect()
}

impl<'a> Line<'a> {
    fn read(command: &'a Command, words: &'a [String]) -> Self {
        let mut line = Self { command, positionals: Vec::new(), options: Vec::new(), is_value: false };
        for word in words {
            if std::mem::take(&mut line.is_value) {
                continue;
            }
            if let Some(option) = word.strip_prefix("--") {
                let known = |argument: &&Arg| argument.get_long() == Some(option);
                let both = line.command.get_arguments().chain(command.get_arguments());
                line.is_value = both.filter(known).any(|argument| argument.get_action().takes_values());
                line.options.push(option);
            } else if let Some(sub) = line.command.find_subcommand(word).filter(|_| line.positionals.is_empty()) {
                line.command = sub;
            } else if !word.starts_with('-') {
                line.positionals.push(word);
            }
        }
        line
    }

    fn options(&self, root: &Command) -> Vec<Candidate> {
        let own = self.command.get_arguments().filter(|argument| !argument.is_global_set());
        let global = root.get_arguments().filter(|argument| argument.is_global_set());
        let shown = own.chain(global).filter(|argument| !argument.is_hide_set());
        shown
            .filter_map(|argument| {
                let about = argument.get_help().map(ToString::to_string).unwrap_or_default();
                Some(Candidate { word: format!("--{}", argument.get_long()?), about })
            })
            .collect()
    }

    fn commands(&self) -> Vec<Candidate> {
        let shown = self.command.get_subcommands().filter(|sub| !sub.is_hide_set());
        shown
            .map(|sub| Candidate {
                word: sub.get_name().to_owned(),
                about: sub.get_about().map(ToString::to_string).unwrap_or_default(),
            })
            .collect()
    }

    fn names(&self, current: &str, names: &impl Names) -> Vec<Candidate> {
        let several = |argument: &&Arg| matches!(argument.get_action(), ArgAction::Append);
        let mut places = self.command.get_positionals();
        let place =
            places.nth(self.positionals.len()).or_else(|| self.command.get_positionals().last().filter(several));
        let package = self.positionals.first().copied().unwrap_or_default();
        let plain = |word: String| Candidate { word, about: String::new() };
        let found = match place.map(|argument| argument.get_id().as_str()) {
            Some("package") => names.packages().into_iter().map(plain).collect(),
            Some("program") => names.programs(package).into_iter().map(plain).collect(),
            Some("file") => names.files(package).into_iter().map(plain).collect(),
            Some("key") => names.settings(package).iter().map(|setting| described(setting, "")).collect(),
            Some("setting") => self.settings(current, &names.settings(package)),
            _ => Vec::new(),
        };
        found.into_iter().filter(|candidate| !self.positionals.contains(&candidate.word.as_str())).collect()
    }

    /// `KEY=VALUE`, or the one key of `--stdin`.
    fn settings(&self, current: &str, settings: &[Setting]) -> Vec<Candidate> {
        let settable = settings.iter().filter(|setting| !matches!(setting.kind, Kind::PasswordHash { .. }));
        if self.options.contains(&"stdin") {
            let first = self.positionals.len() == 1;
            return settable.filter(|_| first).map(|setting| described(setting, "")).collect();
        }
        match current.split_once('=') {
            None => settable
                .filter(|setting| !setting.is_secret() && !self.positionals.iter().any(|word| is_of(word, setting)))
                .map(|setting| described(setting, "="))
                .collect(),
            Some((key, _)) => settable.filter(|setting| setting.name == key).flat_map(values).collect(),
        }
    }
}

fn is_of(word: &str, setting: &Setting) -> bool {
    word.split_once('=').is_some_and(|(key, _)| key == setting.name)
}

fn described(setting: &Setting, end: &str) -> Candidate {
    Candidate { word: format!("{}{end}", setting.name), about: setting.description.clone() }
}

/// The values that a type has, else the package's own.
fn values(setting: &Setting) -> Vec<Candidate> {
    let default = setting.default.as_deref();
    let all: Vec<&str> = match &setting.kind {
        Kind::Enum { choices } => choices.iter().map(String::as_str).collect(),
        Kind::Boolean => vec!["yes", "no"],
        Kind::Secret { .. } => Vec::new(),
        _ => default.into_iter().collect(),
    };
    let about = |value: &str| if default == Some(value) { "the default" } else { "" };
    all.into_iter()
        .map(|value| Candidate { word: format!("{}={value}", setting.name), about: about(value).to_owned() })
        .collect()
}

/// One a line: the word, and after a tab what it is.
pub fn lines(candidates: &[Candidate]) -> String {
    let line = |Candidate { word, about }: &Candidate| match about.lines().next() {
        Some(about) => format!("{word}\t{about}\n"),
        None => format!("{word}\n"),
    };
    candidates.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Names for Two {
        fn packages(&self) -> Vec<String> {
            vec!["notes".to_owned(), "news".to_owned()]
        }

        fn settings(&self, package: &str) -> Vec<Setting> {
            let text = r#"[
                {"name": "listen", "type": "hostport", "default": "127.0.0.1:80", "description": "Address"},
                {"name": "colour", "type": "enum", "choices": ["red", "green"], "default": "red"},
                {"name": "key", "type": "secret", "length": 48},
                {"name": "hash", "type": "password-hash", "from": "key", "scheme": "yescrypt"}
            ]"#;
            if package == "notes" { serde_json::from_str(text).unwrap() } else { Vec::new() }
        }

        fn programs(&self, _: &str) -> Vec<String> {
            vec!["web".to_owned(), "worker".to_owned()]
        }

        fn files(&self, _: &str) -> Vec<String> {
            vec!["/etc/notes/a".to_owned(), "/etc/notes/b".to_owned()]
        }
    }

    fn complete(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        candidates(&super::super::cli::command(), &words, &Two).into_iter().map(|candidate| candidate.word).collect()
    }

    #[test]
    fn commands_and_options_are_the_programs() {
        assert_eq!(complete("s"), ["status", "service"]);
        assert!(complete("").contains(&"config".to_owned()) && !complete("").contains(&"maint".to_owned()));
        assert_eq!(complete("config se"), ["set"]);
        assert_eq!(complete("config set notes --"), ["--stdin", "--root", "--json"]);
        assert_eq!(complete("--root "), [""; 0]);
        assert_eq!(complete("--root /x --json config un"), ["unset"]);
        assert_eq!(complete("config nonsense "), complete("config "));
    }

    #[test]
    fn names_are_the_manifests() {
        assert_eq!(complete("status n"), ["notes", "news"]);
        assert_eq!(complete("config --json show no"), ["notes"]);
        assert_eq!(complete("config show notes "), ["listen", "colour", "key", "hash"]);
        assert_eq!(complete("config show notes listen "), [""; 0]);
        assert_eq!(complete("config apply notes "), ["news"]);
        assert_eq!(complete("config unset notes listen c"), ["colour"]);
        assert_eq!(complete("service restart notes w"), ["web", "worker"]);
        assert_eq!(complete("config restore notes /etc/notes/a /"), ["/etc/notes/b"]);
    }

    #[test]
    fn a_secret_is_offered_for_standard_input_alone() {
        assert_eq!(complete("config set notes "), ["listen=", "colour="]);
        assert_eq!(complete("config set notes listen=1:2 "), ["colour="]);
        assert_eq!(complete("config set notes colour="), ["colour=red", "colour=green"]);
        assert_eq!(complete("config set notes listen=127"), ["listen=127.0.0.1:80"]);
        assert_eq!(complete("config set --stdin notes "), ["listen", "colour", "key"]);
        assert_eq!(complete("config set notes key="), [""; 0]);
    }

    #[test]
    fn a_line_has_the_word_and_what_it_is() {
        let words: Vec<String> = ["config", "show", "notes", "l"].map(str::to_owned).to_vec();
        let found = candidates(&super::super::cli::command(), &words, &Two);
        assert_eq!(lines(&found), "listen\tAddress\n");
        assert_eq!(root(&["--root=/a".to_owned()]), Some("/a".into()));
        assert_eq!(root(&["--root".to_owned(), "/b".to_owned(), "x".to_owned()]), Some("/b".into()));
    }
}
