//! The packager's own maintainer scripts, as far as they can spoil ours. Pure.

use std::path::Path;

use crate::error::{Diagnostic, Location};

/// The line that dh_installdeb(1) replaces by the snippets.
const TOKEN: &str = "#DEBHELPER#";

/// What is wrong in the script `name` (postinst, prerm, postrm) of a package, whose
/// text stands in `file`.
///
/// debconf's frontend, which confmodule(3) starts the script anew below, ends with
/// exit status 0 where a signal ends the script. dpkg then takes the package for
/// configured, or purged, although our part has not been done.
pub fn faults(package: &str, name: &str, file: &Path, text: &str) -> Vec<Diagnostic> {
    let is_shell = text.lines().next().is_some_and(|first| first.starts_with("#!") && first.contains("sh"));
    let Some(token) = text.lines().position(|line| line.contains(TOKEN)) else {
        let message = format!("the {name} has no {TOKEN}, so that nothing of what dh_appconfig writes gets into it");
        return vec![
            Diagnostic::error(message).at(Location::file(file)).hint(format!("write a line {TOKEN} into the script")),
        ];
    };
    let sourced = text.lines().take(token).position(|line| is_shell && starts_debconf(line));
    let hint = match name {
        "postinst" => format!("ask with a setting of debian/{package}.appconfig instead, and remove this line"),
        _ => format!("move this line, and what needs it, behind {TOKEN}"),
    };
    let fault = sourced.map(|line| {
        Diagnostic::warning(format!(
            "debconf is started before {TOKEN}; if the {name} is killed then, dpkg takes it for one that has succeeded"
        ))
        .at(Location::line(file, line + 1))
        .hint(hint)
    });
    fault.into_iter().collect()
}

/// `. /usr/share/debconf/confmodule`, also in the middle of a line and between quotes.
fn starts_debconf(line: &str) -> bool {
    let words: Vec<&str> = line.split([' ', '\t', ';']).filter(|word| !word.is_empty()).collect();
    let code = words.iter().position(|word| word.starts_with('#')).map_or(words.as_slice(), |end| &words[..end]);
    code.windows(2)
        .any(|pair| matches!(pair, [".", path] if path.trim_matches(['"', '\'']).ends_with("/debconf/confmodule")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        faults("notes", name, Path::new("debian/notes.postinst"), text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn debconf_before_the_snippets_is_named_with_its_line() {
        let text = "#!/bin/sh\nset -e\n# . /usr/share/debconf/confmodule\n[ -e x ] && . \"/usr/share/debconf/confmodule\"\n#DEBHELPER#\n";
        let faults = found("postinst", text);
        assert!(faults.len() == 1 && faults[0].starts_with("debian/notes.postinst:4: "), "{faults:?}");
        assert_eq!(found("postinst", &text.replace('[', "# [")), [""; 0]);
        let behind = "#!/bin/sh\n#DEBHELPER#\n. /usr/share/debconf/confmodule\n";
        assert_eq!(found("postrm", behind), [""; 0]);
    }

    #[test]
    fn a_script_without_the_token_drops_ours() {
        assert!(found("postrm", "#!/bin/sh\nexit 0\n")[0].contains("has no #DEBHELPER#"));
    }
}
