//! The manual pages and completions say what the programs take.
//!
//! `UPDATE_GOLDEN=1` rewrites the generated parts; without it a difference fails.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads and, on demand, rewrites the files it compares"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command as Process;

use clap::{Command, CommandFactory};
use clap_complete::{Generator, Shell};
use deb_build_app::helper::venv::{cli::Options, settings};
use deb_build_app::helper::{appconfig, supervisord, zeoclient};
use deb_build_app::manual;
use deb_build_app::run::venv::place;

/// Each program, and the spelling with a hyphen that it answers to.
fn commands() -> [(&'static str, &'static str, Command); 7] {
    [
        ("appctl", "appctl", deb_build_app::appctl::cli::command()),
        ("dh_appconfig", "dh-appconfig", deb_build_app::cli::command::<appconfig::cli::Options>("dh_appconfig")),
        (
            "dh_supervisord",
            "dh-supervisord",
            deb_build_app::cli::command::<supervisord::cli::Options>("dh_supervisord"),
        ),
        ("deb-build-app", "deb-build-app", deb_build_app::driver::cli::Arguments::command()),
        ("dh_venv", "dh-venv", deb_build_app::cli::command::<Options>("dh_venv")),
        ("dh_zeoclient", "dh-zeoclient", deb_build_app::cli::command::<zeoclient::cli::Options>("dh_zeoclient")),
        ("dh_venv_place", "dh-venv-place", deb_build_app::cli::command::<place::Options>("dh_venv_place")),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_default()
}

/// The file must have this text; under UPDATE_GOLDEN=1 it gets it.
fn compare(name: &str, expected: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(path(name), expected).unwrap();
    }
    assert!(read(name) == expected, "{name} is not what the options make it: run `make update-golden`");
}

fn page(tool: &str) -> String {
    read(&format!("man/{tool}.1"))
}

#[test]
fn options_in_the_manual_pages_are_those_of_the_programs() {
    for (tool, _, command) in commands() {
        let text = page(tool);
        let (head, rest) = text.split_once(&format!("{}\n", manual::BEGIN)).expect("the page has a generated part");
        let (_, tail) = rest.split_once(manual::END).expect("the generated part has an end");
        let region = match tool {
            // Its commands have many options each.
            "deb-build-app" => manual::sections_region(&command),
            _ => manual::commands_region(&command) + &manual::options_region(&command),
        };
        compare(&format!("man/{tool}.1"), &format!("{head}{}\n{region}{}{tail}", manual::BEGIN, manual::END));
    }
}

/// Each result of the probe has its status, and that of a monitoring plugin, in the manual.
#[test]
fn the_probe_s_statuses_are_in_the_manual() {
    let text = page("dh_zeoclient");
    let (_, section) = text.split_once(".SH PROBE\n").expect("a section about the probe");
    let (section, _) = section.split_once(".SH ").expect("a section after it");
    let (own, plugin) = section.split_once(".B \\-\\-plugin\n").expect("the statuses of the plugin");
    let source = read("share/python/zeoclient/probe.py");
    let (_, results) = source.split_once("class Result(enum.Enum):").expect("the results");
    let (results, _) = results.split_once("def __init__").expect("the end of the results");
    let mut seen = 0;
    for line in results.lines() {
        let Some((name, values)) = line.split_once(" = (").filter(|(_, values)| values.ends_with(')')) else {
            continue;
        };
        let numbers: Vec<&str> = values.trim_end_matches(')').split(", ").skip(1).collect();
        let [status, monitoring] = numbers[..] else { panic!("not a result: {line}") };
        for (part, number) in [(own, status), (plugin, monitoring)] {
            assert!(part.contains(&format!(".TP\n.B {number}\n")), "{}: {number} is not in the manual", name.trim());
        }
        seen += 1;
    }
    assert_eq!((seen, own.matches(".TP\n").count(), plugin.matches(".TP\n").count()), (6, 6, 4));
}

#[test]
fn every_field_has_its_paragraph() {
    let text = page("dh_venv");
    for field in settings::FIELDS {
        let heading = format!(".TP\n.B {}:\n", field.replace('-', "\\-"));
        assert!(text.contains(&heading), "dh_venv(1) does not explain the field {field}");
    }
}

#[test]
fn every_field_type_and_escaper_of_configuration_has_its_paragraph() {
    let text = page("dh_appconfig").replace("\\-", "-");
    for field in
        appconfig::description::STANZAS.iter().flat_map(|(first, fields)| std::iter::once(first).chain(*fields))
    {
        assert!(text.contains(&format!(".TP\n.B {field}:\n")), "dh_appconfig(1) does not explain the field {field}");
    }
    for name in appconfig::description::TYPES {
        assert!(text.contains(&format!(".TP\n.B {name}\n")), "dh_appconfig(1) does not explain the type {name}");
    }
    let (_, section) = text.split_once("\n.SH ESCAPERS\n").unwrap();
    let (section, _) = section.split_once("\n.SH ").unwrap();
    for (name, _) in appconfig::description::ESCAPES {
        assert!(section.contains(name), "dh_appconfig(1) does not explain the escaper {name}");
    }
}

#[test]
fn every_field_of_a_zeo_client_has_its_paragraph() {
    let text = page("dh_zeoclient").replace("\\-", "-");
    for (first, fields) in zeoclient::description::FIELDS {
        for field in std::iter::once(&first).chain(fields) {
            assert!(
                text.contains(&format!(".TP\n.B {field}:\n")),
                "dh_zeoclient(1) does not explain the field {field}"
            );
        }
    }
}

/// The closed list of overridden tags, from the table at the head of its module.
#[test]
fn every_overridden_tag_is_listed() {
    let module = read("src/helper/venv/lintian.rs");
    let rows = module.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let tags: Vec<&str> = rows
        .filter_map(|row| row.split(" |").next())
        .flat_map(|cell| cell.split(", "))
        .map(|tag| tag.trim_matches('`'))
        .collect();
    assert!(tags.len() > 10, "{tags:?}");
    // What the code writes is what the table has: no more, no less.
    let code = module.split("mod tests {").next().unwrap_or_default();
    let calls = [".exact(", ".exact_with_context(", ".anywhere(", ".anywhere_bare("];
    let literal =
        |rest: &str| rest.trim_start().strip_prefix('"').and_then(|rest| Some(rest.split_once('"')?.0.to_owned()));
    let mut written: BTreeSet<String> =
        calls.iter().flat_map(|call| code.split(call).skip(1).filter_map(literal)).collect();
    let place = read("src/helper/venv/place.rs");
    let lines = place.split("format!(\"{package}: ").skip(1);
    written.extend(lines.map(|rest| rest.split([' ', '"']).next().unwrap_or_default().to_owned()));
    assert_eq!(written, tags.iter().map(|tag| (*tag).to_owned()).collect(), "the table and the code");
    let text = page("dh_venv");
    let (_, section) = text.split_once("\n.SH LINTIAN OVERRIDES\n").unwrap();
    let (section, _) = section.split_once("\n.SH ").unwrap();
    for tag in tags {
        assert!(section.contains(&tag.replace('-', "\\-")), "dh_venv(1) does not list {tag}");
    }
}

/// Errors and warnings of groff, as lintian looks for them.
#[test]
fn groff_has_nothing_to_say() {
    for (tool, _, _) in commands() {
        let output = Process::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(path(&format!("man/{tool}.1")))
            .env("LC_ALL", "C.UTF-8")
            .env("MANROFFSEQ", "")
            .env("MANWIDTH", "80")
            .output()
            .expect("man is installed");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{tool}");
        assert!(output.status.success());
    }
}

#[test]
fn versions_in_the_manual_pages_are_the_crate_s() {
    for (tool, _, _) in commands() {
        let title = page(tool).lines().find(|line| line.starts_with(".TH ")).unwrap_or_default().to_owned();
        assert!(title.contains(concat!(" ", env!("CARGO_PKG_VERSION"), "\"")), "{tool}: {title}");
    }
}

fn completion(shell: impl Generator, command: &Command, tool: &str) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command.clone(), tool, &mut bytes);
    // Generators leave blanks at line ends.
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn completions_are_those_of_the_programs() {
    // appctl's ask the program: see src/appctl/complete.rs.
    for (tool, hyphen, command) in commands().into_iter().filter(|(tool, _, _)| *tool != "appctl") {
        if hyphen == tool {
            compare(&format!("share/completions/bash/{tool}"), &completion(Shell::Bash, &command, tool));
            compare(&format!("share/completions/zsh/_{tool}"), &completion(Shell::Zsh, &command, tool));
            compare(&format!("share/completions/fish/{tool}.fish"), &completion(Shell::Fish, &command, tool));
            continue;
        }
        let bash: String = completion(Shell::Bash, &command, tool)
            .lines()
            .map(|line| match line.trim_start().starts_with("complete -F ") && hyphen != tool {
                true => format!("{line} {hyphen}\n"),
                false => format!("{line}\n"),
            })
            .collect();
        assert!(bash.contains(&format!("{tool} {hyphen}\n")) || hyphen == tool);
        compare(&format!("share/completions/bash/{tool}"), &bash);

        let zsh = completion(Shell::Zsh, &command, tool);
        let names = if hyphen == tool { tool.to_owned() } else { format!("{tool} {hyphen}") };
        let zsh = zsh.replacen(&format!("#compdef {tool}\n"), &format!("#compdef {names}\n"), 1);
        assert!(zsh.starts_with(&format!("#compdef {names}\n")));
        compare(&format!("share/completions/zsh/_{tool}"), &zsh);

        compare(&format!("share/completions/fish/{tool}.fish"), &completion(Shell::Fish, &command, tool));
        if hyphen != tool {
            compare(&format!("share/completions/fish/{hyphen}.fish"), &format!("complete -c {hyphen} -w {tool}\n"));
        }
    }
}

#[test]
fn shells_read_their_completions() {
    for (tool, _, _) in commands() {
        let files =
            [("bash", format!("bash/{tool}")), ("zsh", format!("zsh/_{tool}")), ("fish", format!("fish/{tool}.fish"))];
        for (shell, file) in files {
            let output = Process::new(shell).arg("-n").arg(path(&format!("share/completions/{file}"))).output();
            let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
            assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
