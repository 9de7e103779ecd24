//! The programs that `On-Change` names: the units that the package ships, and
//! the programs of its fragments for supervisord.

use crate::configuration::manifest::{Backend, OnChange, Program};
use crate::error::{Diagnostic, nearest};

use super::description::Description;

/// Where a package has its units.
const DIRECTORIES: [&str; 2] = ["/usr/lib/systemd/system/", "/lib/systemd/system/"];

/// The services among the paths that `package` ships, by their names: without
/// `.service`, and without `PACKAGE-`. A template unit has no name of its own.
pub fn units<'a>(package: &str, shipped: impl IntoIterator<Item = &'a str>) -> Vec<Program> {
    let mut programs: Vec<Program> = shipped
        .into_iter()
        .filter_map(|path| DIRECTORIES.iter().find_map(|directory| path.strip_prefix(directory)))
        .filter_map(|unit| unit.strip_suffix(".service"))
        .filter(|name| !name.contains('/') && !name.ends_with('@'))
        .map(|name| {
            let short = name.strip_prefix(package).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name);
            Program { name: short.to_owned(), backend: Backend::Systemd, unit: format!("{name}.service") }
        })
        .collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    programs.dedup();
    programs
}

/// Where Debian's supervisord looks for fragments.
pub const FRAGMENTS: &str = "/etc/supervisor/conf.d/";

/// The programs in the texts of supervisord's fragments. One without a group of
/// its own is a group by itself, of one process or several.
pub fn supervised<'a>(fragments: impl IntoIterator<Item = &'a str>) -> Vec<Program> {
    let mut names = Vec::new();
    let mut groups: Vec<(String, String)> = Vec::new();
    for text in fragments {
        let mut group = None;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                // No program is called so: it would be a line of its own wherever it is written.
                let name = section.strip_prefix("program:").filter(|name| !name.contains(char::is_control));
                names.extend(name.map(str::to_owned));
                group = section.strip_prefix("group:");
            } else if let (Some(group), Some((key, value))) = (group, line.split_once('=')) {
                if key.trim() == "programs" {
                    groups.extend(value.split(',').map(|name| (name.trim().to_owned(), group.to_owned())));
                }
            }
        }
    }
    let unit = |name: &String| match groups.iter().find(|(member, _)| member == name) {
        Some((_, group)) => format!("{group}:{name}"),
        None => format!("{name}:*"),
    };
    names.sort();
    names.iter().map(|name| Program { name: name.clone(), backend: Backend::Supervisord, unit: unit(name) }).collect()
}

/// Whether `word` names the program: its name, its unit, or its unit without `.service`.
fn is_called(program: &Program, word: &str) -> bool {
    program.name == word || program.unit == word || program.unit.strip_suffix(".service") == Some(word)
}

/// Replace the words of every `On-Change` by the programs' names; a word that
/// names none is a fault.
pub fn resolve(description: &mut Description, programs: &[Program]) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let file = description.file.clone();
    for placed in &mut description.files {
        let line = placed.line_of("On-Change");
        let (OnChange::Restart(words) | OnChange::Reload(words)) = &mut placed.item.on_change else { continue };
        let fault = |message: String, hint: String| {
            Diagnostic::error(message).at(crate::error::Location::line(&file, line)).hint(hint)
        };
        if programs.is_empty() {
            faults.push(fault(
                "On-Change names what the package does not have: it ships no service".to_owned(),
                "ship a unit (debian/PACKAGE.service) or a fragment for supervisord, or write 'On-Change: none'"
                    .to_owned(),
            ));
            continue;
        }
        for word in words {
            match programs.iter().find(|program| is_called(program, word)) {
                Some(program) => *word = program.name.clone(),
                None => {
                    let names = || programs.iter().map(|program| program.name.as_str());
                    let hint = match nearest(word, names()) {
                        Some(near) => format!("did you mean '{near}'?"),
                        None => format!("the package ships: {}", names().collect::<Vec<_>>().join(", ")),
                    };
                    faults.push(fault(format!("unknown program '{word}'"), hint));
                }
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_supervisord_are_found_with_their_groups() {
        let found =
            supervised(["[program:web]\ncommand=x\n[group:g]\nprograms = a, b\n", "[program:a]\n[program:b] ; note\n"]);
        let shown: Vec<String> = found.iter().map(|p| format!("{} {}", p.name, p.unit)).collect();
        assert_eq!(shown, ["a g:a", "b g:b", "web web:*"]);
        assert_eq!(supervised(["[program:\0"]), []);
    }

    #[test]
    fn units_are_named_as_people_name_them() {
        let shipped = [
            "/lib/systemd/system/notes.service",
            "/usr/lib/systemd/system/notes-web.service",
            "/usr/lib/systemd/system/notes@.service",
            "/usr/lib/systemd/system/notes.timer",
            "/usr/lib/systemd/system/x.service.d/a.conf",
        ];
        let found = units("notes", shipped);
        let shown: Vec<String> = found.iter().map(|p| format!("{} {}", p.name, p.unit)).collect();
        assert_eq!(shown, ["notes notes.service", "web notes-web.service"]);
        for word in ["web", "notes-web", "notes-web.service"] {
            assert!(is_called(&found[1], word));
        }
    }
}
