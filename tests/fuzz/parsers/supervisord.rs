//! Programs: supervisor's and ZEO clients' files.

use std::path::Path;

use deb_build_app::debian::paragraph;
use deb_build_app::foreign::FileName;
use deb_build_app::helper::supervisord::{self, expand, fragment, ini, settings, unit, value, words};
use deb_build_app::helper::zeoclient;

use super::{Outcome, all, is_clean, one_line, refused, said, target, text};
use crate::corpus::seeds;

fn supervisord_file(input: &[u8]) -> Outcome {
    let text = text(input);
    let file = Path::new("debian/notes.supervisord");
    let (document, faults) = ini::parse(&text, file);
    said(&faults, &text)?;
    let lines = document.lines.len();
    for section in &document.sections {
        hold!(1 <= section.from && section.from <= section.line && section.line <= section.to, "a section's lines");
        hold!(section.to <= lines, "a section beyond the end");
    }
    let (read, faults) = supervisord::description::read("notes", &text, file);
    said(&faults, &text)?;
    if !is_clean(&faults) {
        return Ok(());
    }
    if let Some(written) = fragment::text("notes", &read) {
        let (_, faults) = ini::parse(&written, Path::new("notes.conf"));
        hold!(is_clean(&faults), "the fragment has a fault: {:?}", faults.first());
    }
    for described in read.programs.iter().filter(|described| described.backend.systemd()) {
        let (units, faults) = unit::units("notes", &read, described, file);
        said(&faults, &text)?;
        let Some(units) = units.filter(|_| is_clean(&faults)) else { continue };
        for (name, text) in &units.files {
            hold!(FileName::new(&name.replace("@.", "@x.")).is_ok(), "a unit called {name:?}");
            hold!(!text.contains(['\0', '\r', '\x1b']), "a unit with control characters: {text:?}");
        }
    }
    Ok(())
}

fn supervisord_values(input: &[u8]) -> Outcome {
    let text = text(input);
    let names = expand::Names::from([
        ("program_name".to_owned(), expand::Value::Text("web".to_owned())),
        ("process_num".to_owned(), expand::Value::Number(3)),
        ("x".to_owned(), expand::Value::Later('\u{f0000}')),
    ]);
    for text in text.lines().take(50).chain([text.as_str()]) {
        let _ = value::boolean(text);
        let _ = value::integer(text);
        let _ = value::seconds(text);
        let _ = value::octal(text);
        let _ = value::byte_size(text);
        let _ = value::exit_codes(text);
        let _ = value::restart(text);
        value::list(text);
        value::log_file(text);
        if let Ok(number) = value::signal(text) {
            hold!(value::signal(&value::signal_name(number)) == Ok(number), "the signal {number}");
        }
        if let Ok(name) = value::process_name(text) {
            one_line("a process's name", &name)?;
        }
        if let Ok(expanded) = expand::expand(text, &names) {
            hold!(expanded.len() < 16 << 20, "{} bytes of {}", expanded.len(), text.len());
        }
        expand::formats(text, "process_num");
        let _ = words::command(text);
        let _ = words::pairs(text);
        let _ = settings::probe(text);
    }
    Ok(())
}

fn zeoclient_file(input: &[u8]) -> Outcome {
    let text = text(input);
    let (read, faults) = zeoclient::description::parse(&text, Path::new("debian/notes.zeoclient"));
    said(&faults, &text)?;
    let Some(application) = read.application.as_ref().filter(|_| is_clean(&faults)) else { return Ok(()) };
    let site =
        zeoclient::site::Site { package: "notes", prefix: "/usr/lib/notes/venv", description: &read, application };
    let (_, faults) = ini::parse(&zeoclient::programs::text(&site, true), Path::new("notes.supervisord"));
    hold!(is_clean(&faults), "the programs have a fault: {:?}", faults.first());
    match zeoclient::texts::rendered(&site, &[]) {
        Ok(files) => {
            let settings = zeoclient::settings::text(&site, &files, &[]);
            let (_, faults) = paragraph::parse(&settings, Path::new("notes.appconfig"));
            hold!(is_clean(&faults), "the settings have a fault: {:?}", faults.first());
            Ok(())
        }
        Err(error) => refused(&error, &text),
    }
}

#[test]
fn what_they_promise_holds() {
    all(
        "programs",
        vec![
            target("supervisord::description", seeds(&[".supervisord"], &[]), supervisord_file),
            target(
                "supervisord::value",
                seeds(
                    &[],
                    &[
                        "%(program_name)s-%(process_num)02d\n/bin/x --y 'a b' \"c\"\nA=\"b\",C='d'\nTERM\n10MB\n0,2\n022\n",
                        "http://127.0.0.1:80/x\ntcp://[::1]:80\nunexpected\nyes\nsyslog\nunix:///run/x.sock\n%(x)s\n",
                    ],
                ),
                supervisord_values,
            ),
            target("zeoclient::description", seeds(&[".zeoclient"], &[]), zeoclient_file),
        ],
    );
}
