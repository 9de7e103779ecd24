//! What describes a configuration: settings, templates, values, what is kept as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use deb_build_app::appctl;
use deb_build_app::configuration::escape::Refusal;
use deb_build_app::configuration::layer;
use deb_build_app::configuration::layer::Layer;
use deb_build_app::configuration::manifest::{Escape, Manifest};
use deb_build_app::configuration::program::Programs;
use deb_build_app::configuration::setting::{Kind, Setting};
use deb_build_app::configuration::template::{Data, Template};
use deb_build_app::configuration::value::Value;
use deb_build_app::debian::paragraph;
use deb_build_app::helper::appconfig::{account, debconf, description, documentation, maintainer, program, script};
use deb_build_app::helper::venv;
use deb_build_app::python;

use super::{Outcome, absolute, again, all, is_clean, one_line, refused, said, steers, target, text};
use crate::corpus::seeds;

fn appconfig(input: &[u8]) -> Outcome {
    let text = text(input);
    let (read, faults) = description::parse(&text, Path::new("debian/notes.appconfig"));
    said(&faults, &text)?;
    if !is_clean(&faults) {
        return Ok(());
    }
    for placed in &read.settings {
        let setting = &placed.item.setting;
        hold!(Setting::is_name(&setting.name), "the setting's name '{}'", setting.name);
        if let Some(default) = setting.default.as_ref().filter(|_| !setting.is_secret()) {
            setting.parse(default).map_err(|why| format!("the default of '{}': {why}", setting.name))?;
        }
        one_line("a description", &setting.description)?;
    }
    for placed in &read.files {
        absolute("a file", &placed.item.path)?;
        hold!(u32::from_str_radix(&placed.item.mode, 8).is_ok_and(|mode| mode <= 0o7777), "a mode");
        let template = &placed.item.template;
        hold!(!Path::new(template).components().any(|part| part == Component::ParentDir), "the template '{template}'");
        one_line("a template", template)?;
    }
    read.directories.iter().try_for_each(|placed| absolute("a directory", &placed.item.path))?;
    for placed in &read.links {
        absolute("a link", &placed.item.path)?;
        one_line("a link's target", &placed.item.target)?;
    }
    for text in [account::sysusers("notes", &read), account::tmpfiles(&read)].into_iter().flatten() {
        hold!(!text.contains(steers), "an account's line has control characters: {text:?}");
    }
    if let Some(templates) = debconf::for_translators("notes", &read) {
        let (_, faults) = paragraph::parse(&templates, Path::new("debian/notes.templates"));
        hold!(is_clean(&faults), "debconf's templates are none: {:?}", faults.first());
    }
    let (_, faults) = Layer::parse(&documentation::settings_file("notes", &read), "x.conf");
    hold!(is_clean(&faults), "the file for the administrator: {:?}", faults.first());
    script::scripts("notes", &read, false, "").map(drop).or_else(|error| refused(&error, &text))
}

pub fn sample() -> Vec<Setting> {
    let kinds = [
        ("s", Kind::String { pattern: None }),
        ("listen", Kind::Hostport),
        ("x", Kind::List),
        ("i", Kind::Integer { min: Some(-5), max: None }),
        ("b", Kind::Boolean),
        ("p", Kind::Port),
        ("path", Kind::Path),
        ("url", Kind::Url),
        ("e", Kind::Enum { choices: vec!["debug".to_owned(), "info".to_owned()] }),
        ("secret", Kind::Secret { length: 8 }),
    ];
    let setting = |(name, kind): (&str, Kind)| Setting {
        name: name.to_owned(),
        kind,
        default: None,
        description: String::new(),
        ask: None,
    };
    kinds.into_iter().map(setting).collect()
}

const ESCAPES: [Escape; 8] = [
    Escape::Ini,
    Escape::Toml,
    Escape::Json,
    Escape::Yaml,
    Escape::Shell,
    Escape::Zconfig,
    Escape::Systemd,
    Escape::None,
];

fn templates(input: &[u8]) -> Outcome {
    // The parser of Handlebars counts the lines anew for each expression.
    let text = text(&input[..input.len().min(16 << 10)]);
    let values = [
        ("s", Value::Text("it's \"${x}\" 100%".to_owned())),
        ("a", Value::Boolean(true)),
        ("x", Value::List(vec!["one".to_owned(), "two".to_owned()])),
        ("listen", Value::Hostport { host: "::1".to_owned(), port: 80 }),
        ("i", Value::Integer(-1)),
        ("unset", Value::Unset),
    ];
    let data = Data::new(values.iter().map(|(name, value)| (*name, value)));
    for escape in [Escape::Ini, Escape::Json] {
        match Template::parse(&text, Path::new("x.hbs"), escape) {
            Ok(template) => {
                let lines = text.split('\n').count();
                hold!(template.uses().iter().all(|one| (1..=lines).contains(&one.line)), "no such line");
                match template.render(&data) {
                    Ok(rendered) => hold!(rendered.len() < 64 << 20, "{} bytes are rendered", rendered.len()),
                    Err(faults) => said(&faults, &text)?,
                }
            }
            Err(faults) => {
                hold!(!faults.is_empty(), "refused without a fault");
                said(&faults, &text)?;
            }
        }
    }
    Ok(())
}

fn layers(input: &[u8]) -> Outcome {
    let text = text(input);
    let (read, faults) = Layer::parse(&text, "/etc/notes/settings.d/10-x.conf");
    said(&faults, &text)?;
    let settings = sample();
    let (effective, faults) = layer::effective("notes", &settings, &[read], &BTreeMap::new());
    said(&faults, &text)?;
    let texts: BTreeMap<String, String> = effective
        .iter()
        .filter(|(_, resolved)| resolved.value != Value::Unset)
        .map(|(name, resolved)| (name.clone(), resolved.value.to_string()))
        .collect();
    let own = layer::own_text("notes", &texts);
    let (second, faults) = Layer::parse(&own, "/etc/notes/settings.d/60-appctl.conf");
    hold!(faults.is_empty(), "our own file: {:?}", faults.first());
    let (second, faults) = layer::effective("notes", &settings, &[second], &BTreeMap::new());
    hold!(faults.is_empty(), "our own file: {:?}", faults.first());
    for (name, resolved) in &effective {
        hold!(second[name].value == resolved.value, "'{name}' is {} and then {}", resolved.value, second[name].value);
    }
    Ok(())
}

fn values(input: &[u8]) -> Outcome {
    let text = text(input);
    for setting in sample() {
        for text in text.lines().take(50).chain([text.as_str()]) {
            match setting.parse(text) {
                Ok(value) => {
                    let printed = value.to_string();
                    let second =
                        setting.parse(&printed).map_err(|why| format!("{printed:?} is not read again: {why}"))?;
                    hold!(second == value, "{printed:?} is read as {second}");
                    one_line("a value", &printed)?;
                    if setting.kind == Kind::Path {
                        absolute("a path", &printed)?;
                    }
                    for escape in ESCAPES.into_iter().filter(|escape| *escape != Escape::None) {
                        if let Ok::<_, Refusal>(escaped) = escape.escape(&printed) {
                            one_line("an escaped value", &escaped)?;
                        }
                    }
                }
                Err(why) => {
                    hold!(!why.contains(steers) && why.len() < 500, "a reason: {why:?}");
                }
            }
        }
    }
    // A pattern of the package's, and a value of the administrator's.
    let (pattern, rest) = text.split_once('\n').unwrap_or((&text, "abc"));
    let pattern = pattern.chars().take(1000).collect();
    let kind = Kind::String { pattern: Some(pattern) };
    let setting = Setting { name: "x".to_owned(), kind, default: None, description: String::new(), ask: None };
    let _ = setting.parse(rest.lines().next().unwrap_or_default());
    Ok(())
}

fn manifests(input: &[u8]) -> Outcome {
    again::<Manifest>(input)?;
    again::<Programs>(input)?;
    again::<appctl::journal::Journal>(input)?;
    again::<appctl::secrets::Secrets>(input)?;
    again::<appctl::store::Unfinished>(input)?;
    again::<venv::place::Outcome>(input)?;
    if let Ok(interpreter) = python::interpreter::Interpreter::parse(Path::new("/usr/bin/python3"), input) {
        interpreter.target();
        let _ = interpreter.marker_environment();
        interpreter.best_wheel(["a-1-py3-none-any.whl"].into_iter());
    }
    let text = text(input);
    if let Err(error) = venv::distribution::from_pip_report(input, &BTreeSet::new()) {
        refused(&error, &text)?;
    }
    Ok(())
}

fn scripts(input: &[u8]) -> Outcome {
    let text = text(input);
    said(&maintainer::faults("notes", "postinst", Path::new("debian/notes.postinst"), &text), &text)?;
    let programs = program::supervised([text.as_str()]);
    for program in programs.iter().chain(&program::units("notes", text.lines())) {
        one_line("a program", &program.name)?;
    }
    Ok(())
}

const JSON: &[&str] = &[
    r#"{"format":1,"inputs":"","files":{"/etc/x":{"rendered":"ab","attributes":{"uid":0,"gid":0,"mode":420}}},"directories":{"/d":{"uid":0,"gid":0,"mode":493}},"links":{"/l":"/t"},"changed":{"web":{"need":"restart","at":{"boot":"x","nanoseconds":1}}},"pending":{"staged":[],"files":{},"directories":{},"links":{}}}"#,
    r#"{"format":1,"secrets":{"key":"x"},"hashes":{"h":{"hash":"$y$","scheme":"yescrypt","of":"x"}}}"#,
    r#"{"run":["a"],"rest":["b"]}"#,
    r#"{"version":"1","pip_version":"23","install":[{"download_info":{"url":"https://x/a-1-py3-none-any.whl","archive_info":{"hash":"sha256=00","hashes":{"sha256":"00"}}},"is_direct":false,"requested":true,"metadata":{"name":"a","version":"1"}}],"environment":{}}"#,
];

#[test]
fn what_they_promise_holds() {
    all(
        "configuration",
        vec![
            target("appconfig::description", seeds(&[".appconfig"], &[]), appconfig),
            target(
                "configuration::template",
                seeds(
                    &[".hbs", ".tmpl", ".ini"],
                    &["{{#if a}}{{s}}{{/if}}{{#each x}}{{this}}{{/each}}{{join x \", \"}}"],
                ),
                templates,
            ),
            target(
                "configuration::layer",
                seeds(&[".conf"], &["listen = [::1]:80\nx = a, b\nb = yes\ns = x y\n"]),
                layers,
            ),
            target(
                "configuration::value",
                seeds(&[], &["[::1]:80\n/a/b c\nhttps://u@h:1/x\ninfo\n-5\nyes\na, b\n", "(a|b)*c{1,9}\naaaaaac\n"]),
                values,
            ),
            target("manifests", seeds(&[".json", "/journal"], JSON), manifests),
            target(
                "appconfig::maintainer",
                seeds(&[".postinst", ".prerm", ".postrm", ".config", ".conf"], &[]),
                scripts,
            ),
        ],
    );
}
