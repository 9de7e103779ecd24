//! The supervisord backend: the fragment, in the packager's own lines.
//!
//! Comments and order stay. Changed are the sections' names (see
//! [`super::section_name`]), `%(program_name)s`, which would follow them, and the
//! umask, which is as under systemd where none is given. Added is the group.

use super::description::{Described, Description};
use super::ini::Section;
use super::program::Kind;
use super::section_name;

/// The umask of a program that names none, on both backends.
pub const UMASK: u32 = 0o027;

/// The fragment of `package`; `None` where no program can run under supervisord.
pub fn text(package: &str, description: &Description) -> Option<String> {
    let programs: Vec<&Described> =
        description.programs.iter().filter(|described| described.backend.supervisord()).collect();
    if programs.is_empty() {
        return None;
    }
    let mut text = format!(
        "# The programs of the package {package}, as supervisord reads them through\n\
         # /etc/supervisor/conf.d/{package}.conf. To keep one from starting:\n\
         # appctl service disable {package} PROGRAM\n"
    );
    for described in &programs {
        text.push('\n');
        text.push_str(&program(package, description, described));
    }
    if let Some(group) = group(package, description, &programs) {
        text.push('\n');
        text.push_str(&group);
    }
    Some(text)
}

fn program(package: &str, description: &Description, described: &Described) -> String {
    let section = &description.document.sections[described.section];
    let name = described.name();
    let mut text = String::new();
    for (number, line) in lines(description, section) {
        if number != section.line {
            text.push_str(&line.replace("%(program_name)s", name));
            text.push('\n');
            continue;
        }
        text.push_str(&format!("[{}:{}]\n", described.program.kind.word(), section_name(package, name)));
        // Line 0: not the packager's own, see description.rs.
        for entry in section.entries.iter().filter(|entry| entry.line == 0) {
            text.push_str(&format!("{} = {}\n", entry.key, entry.value.replace("%(program_name)s", name)));
        }
        if section.get("process_name").is_none() {
            text.push_str(&format!("process_name = {name}\n"));
        }
        if section.get("umask").is_none() {
            text.push_str(&format!("umask = {UMASK:03o}\n"));
        }
    }
    text
}

/// The section's lines with their numbers, without the empty ones at the end.
fn lines<'a>(description: &'a Description, section: &Section) -> impl Iterator<Item = (usize, &'a str)> {
    let all = &description.document.lines[section.from - 1..section.to];
    let kept = all.len() - all.iter().rev().take_while(|line| line.trim().is_empty()).count();
    (section.from..).zip(all.iter().take(kept).map(String::as_str))
}

fn group(package: &str, description: &Description, programs: &[&Described]) -> Option<String> {
    let of = |described: &&&Described| described.program.kind == Kind::Program;
    let mut members: Vec<&Described> = programs.iter().filter(of).copied().collect();
    if members.is_empty() {
        return None;
    }
    let mut priority = String::new();
    if let Some(group) = &description.group {
        members.sort_by_key(|described| group.programs.iter().position(|name| name == described.name()));
        if group.priority != 999 {
            priority = format!("priority = {}\n", group.priority);
        }
    }
    let names: Vec<String> = members.iter().map(|described| section_name(package, described.name())).collect();
    Some(format!("[group:{package}]\nprograms = {}\n{priority}", names.join(",")))
}
