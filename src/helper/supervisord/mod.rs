//! dh_supervisord: from debian/PACKAGE.supervisord to what the package ships.
//!
//! [`ini`], [`expand`], [`words`] and [`value`] are supervisord's languages;
//! [`program`] reads its sections and [`settings`] ours; [`description`] is a
//! whole file. [`fragment`] and [`unit`] write the two backends' files, [`plan`]
//! everything together.

pub mod cli;
pub mod description;
pub mod expand;
pub mod fragment;
pub mod health;
pub mod ini;
pub mod plan;
pub mod program;
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
