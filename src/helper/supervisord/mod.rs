//! dh_supervisord: from debian/PACKAGE.supervisord to what the package ships.
//!
//! [`ini`], [`expand`], [`words`] and [`value`] are supervisord's languages;
//! [`program`] reads its sections and [`settings`] ours, both with a [`section`]'s
//! reader; [`description`] is a whole file. [`fragment`] and [`unit`] write the two backends' files, [`plan`]
//! everything together.

pub mod cli;
pub mod description;
pub mod expand;
pub mod fragment;
pub mod health;
pub mod ini;
pub mod places;
pub mod plan;
pub mod program;
pub mod section;
pub mod settings;
pub mod unit;
pub mod value;
pub mod words;

/// The name of a program's section in the fragment. Program names are shared by
/// the whole machine, and supervisord merges equal ones without a word; no
/// package's name has an underscore (policy 5.6.1), so these are unique.
pub fn section_name(package: &str, program: &str) -> String {
    format!("{package}_{program}")
}

/// supervisord's group of a program: the package's. Event listeners are groups of
/// their own, and so are FastCGI programs: as members of another group they would
/// start without their socket.
pub fn group_name(package: &str, kind: program::Kind, program: &str) -> String {
    match kind {
        program::Kind::Program => package.to_owned(),
        program::Kind::Fcgi | program::Kind::Listener => section_name(package, program),
    }
}
