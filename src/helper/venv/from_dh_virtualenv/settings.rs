//! The fields of one package's .venv file while they are collected, and their text.
//!
//! Owns the order and the look of the output. What only the build knows (a
//! `$(shell …)`) is written as a comment, never as a value.

use super::shell::Word;

/// What the .venv file of one package will say.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub package: String,
    pub project: Vec<Word>,
    pub requirements: Vec<Word>,
    pub extras: Vec<Word>,
    pub preinstall: Vec<Word>,
    pub python: Vec<Word>,
    pub wheelhouse: Vec<Word>,
    /// The index that replaces the default one.
    pub index: Option<Word>,
    pub more_indexes: Vec<Word>,
    pub prefix: String,
    pub commands: Vec<String>,
    pub system_site_packages: bool,
    pub no_bytecode: bool,
    pub offline: bool,
    pub compression: Option<String>,
    pub tests: Vec<String>,
}

impl Settings {
    /// The file's text.
    pub(super) fn render(&self) -> String {
        let mut text =
            format!("# debian/{0}.venv: what debian/rules asked dh_virtualenv to do for {0}\n", self.package);
        text.push_str("Format: 1\n");
        words(&mut text, "", "Project", &self.project, " ");
        words(&mut text, "", "Requirements", &self.requirements, " ");
        words(&mut text, "", "Extras", &self.extras, " ");
        words(&mut text, "# installed before the requirements\n", "Preinstall", &self.preinstall, "\n ");
        words(&mut text, "", "Python", &self.python, " ");
        words(&mut text, "", "Wheelhouse", &self.wheelhouse, " ");
        self.render_index(&mut text);
        let prefix = [Word { text: self.prefix.clone(), line: 0 }];
        let why = format!(
            "# where dh_virtualenv put it, so that paths stay; without this line: /usr/lib/{}/venv\n",
            self.package
        );
        words(&mut text, &why, "Prefix", &prefix, " ");
        if self.commands.is_empty() {
            text.push_str("# Commands: NAME\n#   links in /usr/bin, instead of entries in debian/");
            text.push_str(&format!("{}.links that lead into the venv\n", self.package));
        } else {
            text.push_str(&format!("Commands: {}\n", self.commands.join("\n ")));
        }
        if self.system_site_packages {
            text.push_str("System-Site-Packages: yes\n");
        }
        if self.no_bytecode {
            text.push_str("Bytecode: none\n");
        }
        if self.offline {
            text.push_str("Offline: yes\n");
        }
        if let Some(compression) = &self.compression {
            text.push_str(&format!("Compression: {compression}\n"));
        }
        if !self.tests.is_empty() {
            text.push_str(&format!("Test: {}\n", self.tests.join("\n ")));
        }
        text
    }

    fn render_index(&self, text: &mut String) {
        if let Some(index) = &self.index {
            let all: Vec<Word> = std::iter::once(index).chain(&self.more_indexes).cloned().collect();
            words(text, "", "Index", &all, "\n ");
        } else if !self.more_indexes.is_empty() {
            text.push_str(
                "# the first Index replaces the default one: put the default's address there\n# Index: ADDRESS\n",
            );
            for index in &self.more_indexes {
                text.push_str(&format!("#  {}\n", index.text.replace('\n', " ")));
            }
        }
    }
}

/// One field; commented out where a value is not known.
fn words(text: &mut String, comment: &str, field: &str, values: &[Word], separator: &str) {
    let values: Vec<&Word> = values.iter().filter(|word| !word.text.trim().is_empty()).collect();
    if values.is_empty() {
        return;
    }
    let body = values.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(separator);
    let line = format!("{field}: {body}\n");
    // A value of two lines would be two of the file's.
    if values.iter().any(|word| word.is_open() || word.text.contains('\n')) {
        text.push_str("# known only to the build, write the value:\n");
        for part in line.lines() {
            text.push_str(&format!("# {part}\n"));
        }
    } else {
        text.push_str(comment);
        text.push_str(&line);
    }
}
