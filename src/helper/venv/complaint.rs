//! What an installer that failed complains of: which requirements it blames,
//! and what the packager can do. Reads the words of uv and pip.

use crate::python::name::normalise;

/// Phrases of lines that name the requirement at fault, in lower case.
const BLAMING: [&str; 14] = [
    // uv
    "failed to build",
    "failed to download",
    "failed to fetch",
    "failed to read",
    "failed to parse",
    "failed to install",
    "hash mismatch for",
    // pip
    "failed building wheel for",
    "could not build wheels for",
    "failed to build installable wheels for",
    "could not find a version that satisfies the requirement",
    "no matching distribution found for",
    "expected sha256",
    " from file:",
];

/// Those of the `known` names (normalised) that the messages blame, in their order.
///
/// Where versions exclude each other these are all that take part; names in
/// paths never count. Empty where the messages name none.
pub fn blamed<'k>(messages: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Vec<&'k str> {
    let text = messages.to_lowercase();
    if let Some((_, rest)) = text.split_once("the conflict is caused by:") {
        let causes = rest.split("to fix this").next().unwrap_or_default().replace("the user requested", "");
        return named(&causes, known);
    }
    if let Some((_, rest)) = text.split_once("cannot install ") {
        return named(rest.split(" because ").next().unwrap_or_default(), known);
    }
    if let Some((_, reason)) = text.split_once("no solution found") {
        return named(reason, known);
    }
    let blaming: Vec<&str> = text.lines().filter(|line| BLAMING.iter().any(|phrase| line.contains(phrase))).collect();
    let found = named(&blaming.join("\n"), known.clone());
    if found.is_empty() { named(&text, known) } else { found }
}

/// Those of the `known` names (normalised) of which the messages say that they
/// have no wheel, where wheels alone were allowed: none at all, or none with a
/// hash that was asked for. The same is said of what is not there or was altered;
/// who then tries to build it hears so.
pub fn without_wheel<'k>(messages: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Vec<&'k str> {
    let text = messages.to_lowercase();
    if any(&text, &NETWORK) {
        return Vec::new();
    }
    let tells = |line: &&str| any(line, &LACKING);
    let lines: Vec<&str> = text.lines().filter(tells).collect();
    named(&lines.join("\n"), known)
}

const LACKING: [&str; 5] = [
    // uv
    "building from source is disabled",
    "hash mismatch for",
    // pip
    "no matching distribution found for",
    " from http",
    " from file:",
];

/// The messages with the lines of a requirements file in place of pip's names
/// for them, `-r FILE (line N)`.
pub fn with_lines(messages: &str, file: &str, lines: &[String]) -> String {
    let mut text = messages.to_owned();
    for (number, line) in lines.iter().enumerate() {
        text = text.replace(&format!("-r {file} (line {})", number + 1), line);
    }
    text
}

/// The known names among the words of a text, in order, each once.
fn named<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let known: Vec<&str> = known.into_iter().collect();
    let mut found: Vec<&str> = Vec::new();
    for word in text.split_whitespace().filter(|word| !word.contains('/')) {
        let parts = word.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
        for name in parts.map(|part| normalise(part.trim_matches('.'))) {
            if let Some(name) = known.iter().find(|one| **one == name) {
                if !found.contains(name) {
                    found.push(name);
                }
            }
        }
    }
    found
}

/// Whether no set of versions meets all requirements.
pub fn is_conflict(messages: &str) -> bool {
    let text = messages.to_lowercase();
    any(&text, &["resolutionimpossible", "conflicting dependencies"])
        || text.contains("no solution found") && !any(&text, &MISSING) && !any(&text, &NETWORK)
}

const MISSING: [&str; 5] = [
    "no matching distribution",
    "there is no version of",
    "was not found in the package registry",
    "was not found in the provided package locations",
    "could not find a version",
];

const NETWORK: [&str; 8] = [
    "temporary failure in name resolution",
    "dns error",
    "failed to lookup address",
    "network is unreachable",
    "connection refused",
    "network connectivity is disabled",
    "error sending request",
    "failed to establish a new connection",
];

fn any(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

/// The cure for the usual reasons why an installer fails.
pub fn cure(messages: &str, offline: bool) -> Option<&'static str> {
    let text = messages.to_lowercase();
    let any = |needles: &[&str]| any(&text, needles);
    Some(if any(&["hash mismatch", "do not match the hashes", "hashes mismatch"]) {
        "the file is not the one whose hash was recorded: find out why before you change the hash"
    } else if lacks_compiler(&text) {
        "a distribution has to be compiled: add build-essential and python3-dev to Build-Depends, or use a wheel"
    } else if any(&["python.h: no such file"]) {
        "a distribution has to be compiled: add python3-dev to Build-Depends, or use a wheel"
    } else if any(&NETWORK) {
        "there is no network here: run 'deb-build-app vendor' where there is one, which puts the wheels into debian/wheelhouse"
    } else if any(&MISSING) {
        if offline {
            "the wheelhouse has no such file: fill it with 'deb-build-app vendor'"
        } else {
            "check name and version, and whether it has a wheel for this interpreter"
        }
    } else if is_conflict(&text) {
        "no set of versions meets all requirements: relax one of them"
    } else if any(&["no space left"]) {
        "the file system is full: free some room, or set TMPDIR or XDG_CACHE_HOME to a larger one"
    } else {
        return None;
    })
}

/// setuptools, distutils, cargo, Meson and CMake, where there is no C compiler.
fn lacks_compiler(text: &str) -> bool {
    text.lines().any(|line| {
        let starts = line.contains("error: command '") || line.contains("unable to execute '");
        starts && line.contains("no such file or directory")
            || line.contains("linker `") && line.contains("not found")
            || any(line, &["unknown compiler(s)", "no cmake_c_compiler could be found", "no cmake_cxx_compiler"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["greet", "native", "tiny", "zope-interface"];

    #[test]
    fn a_name_in_a_path_is_not_blamed() {
        let uv = "Using Python 3.11.2 environment at: debian/greet/work\n   Building native==1.0\n\
                  error: Failed to build `native==1.0`\n  cause: in /home/tiny/greet";
        assert_eq!(blamed(uv, KNOWN), ["native"]);
        let pip = "Processing ./wheelhouse/greet-1.0.whl\nProcessing greet\n  Building wheel for Zope.Interface \
                   (pyproject.toml): finished with status 'error'\nERROR: Failed building wheel for zope.interface";
        assert_eq!(blamed(pip, KNOWN), ["zope-interface"]);
        assert_eq!(blamed("something else about tiny", KNOWN), ["tiny"]);
        assert_eq!(blamed("nothing known", KNOWN), [""; 0]);
    }

    #[test]
    fn all_that_exclude_each_other_are_blamed() {
        let short = "ERROR: Cannot install -r /w/requirements.in (line 2) and tiny==1.0 because these package versions \
                     have conflicting dependencies.\nERROR: ResolutionImpossible: visit native";
        let short = with_lines(short, "/w/requirements.in", &["other".to_owned(), "greet==1.0".to_owned()]);
        assert!(short.starts_with("ERROR: Cannot install greet==1.0 and tiny==1.0 because"), "{short}");
        assert_eq!(blamed(&short, KNOWN), ["greet", "tiny"]);
        let pip = "ERROR: Cannot install greet and tiny because these package versions have conflicting \
                   dependencies.\n\nThe conflict is caused by:\n    The user requested tiny==1.0\n    \
                   greet 1.0 depends on tiny<1\n\nTo fix this you could try to:\n1. loosen native";
        assert_eq!(blamed(pip, KNOWN), ["tiny", "greet"]);
        assert!(is_conflict(pip));
        let uv = "  x No solution found when resolving dependencies:\n  Because greet==1.0 depends on tiny<1 and you \
                  require greet==1.0, we can conclude that you require tiny<1.\n  And because you require tiny==1.0, …";
        assert_eq!(blamed(uv, KNOWN), ["greet", "tiny"]);
        assert!(is_conflict(uv));
        assert!(!is_conflict("No solution found: because native was not found in the package registry"));
    }

    #[test]
    fn what_has_no_wheel_is_named_by_both() {
        let uv = "error: No solution found when resolving dependencies\n  cause: Because native==1.0 has no usable \
                  wheels and you require native==1.0, your requirements are unsatisfiable.\n\nhint: Wheels are \
                  required for `native` because building from source is disabled for all packages (i.e., with `--no-build`)";
        assert_eq!(without_wheel(uv, KNOWN), ["native"]);
        let pip = "ERROR: Could not find a version that satisfies the requirement native==1.0 (from versions: none)\n\
                   ERROR: No matching distribution found for native==1.0";
        assert_eq!(without_wheel(pip, KNOWN), ["native"]);
        let other = "Hash mismatch for `native==1.0`\n  Expected: …";
        assert_eq!(without_wheel(other, KNOWN), ["native"]);
        let other = "  native==1.0 from file:///w/native-1.0.whl (from -r /w/r (line 1)):\n  Expected sha256 00";
        assert_eq!(without_wheel(other, KNOWN), ["native"]);
        assert_eq!(without_wheel("Because there is no version of native==1.0 and …", KNOWN), [""; 0]);
        let offline = format!("WARNING: Retrying … Failed to establish a new connection …\n{pip}");
        assert_eq!(without_wheel(&offline, KNOWN), [""; 0]);
    }

    #[test]
    fn a_missing_compiler_is_known_by_whoever_calls_it() {
        for words in [
            "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "error: command '/opt/none' failed: No such file or directory",
            "unable to execute 'aarch64-linux-gnu-gcc': No such file or directory",
            "error: linker `cc` not found",
            "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]",
        ] {
            assert!(cure(words, false).is_some_and(|cure| cure.contains("build-essential")), "{words}");
        }
        let failed = "error: command '/usr/bin/gcc' failed with exit code 1";
        assert_eq!(cure(failed, false), None);
    }
}
