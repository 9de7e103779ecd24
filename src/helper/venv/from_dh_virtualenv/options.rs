//! dh_virtualenv's command line, as its own parser reads it.
//!
//! Owns the list of its options. Source: dh_virtualenv 1.2.2,
//! `dh_virtualenv/cmdline.py` (Python's optparse: long options may be cut short
//! where they stay unique; `-O--option` becomes `--option`, any other `-O` is ignored).

use super::shell::Word;

/// What an option means, whatever its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Meaning {
    Package,
    NoPackage,
    Verbose,
    Setuptools,
    ExtraIndexUrl,
    Preinstall,
    Extras,
    PipTool,
    UpgradePip,
    UpgradePipTo,
    ExtraPipArg,
    ExtraVirtualenvArg,
    IndexUrl,
    Python,
    BuiltinVenv,
    SourceDirectory,
    NoScripts,
    UseSystemPackages,
    SkipInstall,
    InstallSuffix,
    Requirements,
    SetuptoolsTest,
    Bundle,
    Arch,
    Indep,
    NoTest,
    Version,
    Help,
}

/// Long name (empty: none), short name, takes a value, meaning.
pub(super) const OPTIONS: &[(&str, Option<char>, bool, Meaning)] = &[
    ("package", Some('p'), true, Meaning::Package),
    ("no-package", Some('N'), true, Meaning::NoPackage),
    ("verbose", Some('v'), false, Meaning::Verbose),
    ("setuptools", Some('s'), false, Meaning::Setuptools),
    ("extra-index-url", None, true, Meaning::ExtraIndexUrl),
    ("preinstall", None, true, Meaning::Preinstall),
    ("extras", None, true, Meaning::Extras),
    ("pip-tool", None, true, Meaning::PipTool),
    ("upgrade-pip", None, false, Meaning::UpgradePip),
    ("upgrade-pip-to", None, true, Meaning::UpgradePipTo),
    ("extra-pip-arg", None, true, Meaning::ExtraPipArg),
    ("extra-virtualenv-arg", None, true, Meaning::ExtraVirtualenvArg),
    ("index-url", None, true, Meaning::IndexUrl),
    ("python", None, true, Meaning::Python),
    ("builtin-venv", None, false, Meaning::BuiltinVenv),
    ("sourcedirectory", Some('D'), true, Meaning::SourceDirectory),
    ("noscripts", Some('n'), false, Meaning::NoScripts),
    ("use-system-packages", Some('S'), false, Meaning::UseSystemPackages),
    ("skip-install", None, false, Meaning::SkipInstall),
    ("install-suffix", None, true, Meaning::InstallSuffix),
    ("requirements", None, true, Meaning::Requirements),
    ("setuptools-test", None, false, Meaning::SetuptoolsTest),
    ("", Some('O'), true, Meaning::Bundle),
    ("arch", Some('a'), true, Meaning::Arch),
    ("indep", Some('i'), false, Meaning::Indep),
    ("pypi-url", None, true, Meaning::IndexUrl),
    ("no-test", None, false, Meaning::NoTest),
    ("version", None, false, Meaning::Version),
    ("help", Some('h'), false, Meaning::Help),
];

/// An option as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub meaning: Meaning,
    /// As typed, without the value: `--python`, `-p`.
    pub name: String,
    /// Empty for an option without one.
    pub value: Word,
}

/// A word that is no option of dh_virtualenv's, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    pub word: Word,
    pub reason: &'static str,
}

/// Reads the words after `dh_virtualenv`; operands are dropped, as dh_virtualenv does.
pub(super) fn read(words: &[Word]) -> (Vec<Given>, Vec<Unknown>) {
    let (mut given, mut unknown) = (Vec::new(), Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let text = word.text.strip_prefix("-O-").map_or(word.text.clone(), |more| format!("-{more}"));
        if text == "--" {
            break;
        }
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            match named(name) {
                Ok((full, takes, meaning)) => {
                    let value = match (takes, value) {
                        (true, Some(value)) => Some(Word { text: value.to_owned(), line: word.line }),
                        (true, None) => rest.next().cloned(),
                        (false, None) => Some(Word { text: String::new(), line: word.line }),
                        (false, Some(_)) => None,
                    };
                    match value {
                        Some(value) => given.push(Given { meaning, name: format!("--{full}"), value }),
                        None => {
                            unknown.push(Unknown { word: word.clone(), reason: "its value is missing or too much" })
                        }
                    }
                }
                Err(reason) => unknown.push(Unknown { word: word.clone(), reason }),
            }
        } else if let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            read_letters(word, letters, &mut rest, &mut given, &mut unknown);
        }
    }
    (given, unknown)
}

/// `-nv`, `-pname`, `-p name`.
fn read_letters<'a>(
    word: &Word,
    letters: &str,
    rest: &mut impl Iterator<Item = &'a Word>,
    given: &mut Vec<Given>,
    unknown: &mut Vec<Unknown>,
) {
    for (at, letter) in letters.char_indices() {
        let Some((_, _, takes, meaning)) = OPTIONS.iter().find(|(_, short, _, _)| *short == Some(letter)) else {
            unknown.push(Unknown { word: word.clone(), reason: "dh_virtualenv has no such option" });
            return;
        };
        let name = format!("-{letter}");
        let mut value = Word { text: String::new(), line: word.line };
        if *takes {
            let attached = &letters[at + letter.len_utf8()..];
            if attached.is_empty() {
                match rest.next() {
                    Some(next) => value = next.clone(),
                    None => {
                        unknown.push(Unknown { word: word.clone(), reason: "its value is missing or too much" });
                        return;
                    }
                }
            } else {
                value.text = attached.to_owned();
            }
        }
        given.push(Given { meaning: *meaning, name, value });
        if *takes {
            return;
        }
    }
}

/// The option that a long name, whole or cut short, stands for.
fn named(name: &str) -> Result<(&'static str, bool, Meaning), &'static str> {
    let long = |prefix: bool| {
        OPTIONS.iter().filter(move |(long, ..)| !name.is_empty() && (*long == name || prefix && long.starts_with(name)))
    };
    let found: Vec<_> = if long(false).next().is_some() { long(false).collect() } else { long(true).collect() };
    match found.as_slice() {
        [(full, _, takes, meaning)] => Ok((full, *takes, *meaning)),
        [] => Err("dh_virtualenv has no such option"),
        _ => Err("it stands for several options"),
    }
}

#[cfg(test)]
mod tests {
    use super::OPTIONS;

    #[test]
    fn the_migration_table_of_the_manual_has_every_option_and_variable() {
        let manual = include_str!("../../../../man/dh_venv.1").replace("\\-", "-");
        let (_, section) = manual.split_once("\n.SH MIGRATING FROM DH-VIRTUALENV\n").unwrap();
        let (section, _) = section.split_once("\n.SH ").unwrap();
        let heads: Vec<&str> = section.split("\n.TP\n").skip(1).filter_map(|item| item.lines().next()).collect();
        let words: Vec<&str> = heads.iter().flat_map(|head| head.split([' ', '"', ','])).collect();
        for (long, short, _, _) in OPTIONS {
            let name = if long.is_empty() { format!("-{}", short.unwrap()) } else { format!("--{long}") };
            let short = short.map(|letter| format!("-{letter}"));
            let has = |name: &str| words.contains(&name);
            assert!(has(&name) || short.is_some_and(|short| has(&short)), "dh_venv(1) does not map {name}");
        }
        let source = include_str!("../from_dh_virtualenv.rs");
        let names = source.split('"').filter(|word| word.starts_with("DH_") && !word.contains(['{', ' ']));
        for name in names.chain(["DH_UPGRADE_SETUPTOOLS", "DH_UPGRADE_WHEEL"]) {
            assert!(words.contains(&name), "dh_venv(1) does not map {name}");
        }
    }
}
