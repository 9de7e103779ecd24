//! What `--extra-pip-arg` and `--extra-virtualenv-arg` hand through.
//!
//! Owns the fate of pip's and virtualenv's own options: a field, a line in
//! requirements.txt, or nothing. Sources: pip(1) "Requirements File Format" and
//! "pip install"; virtualenv's and venv's command-line reference.

use super::Notes;
use super::settings::Settings;
use super::shell::Word;

/// What becomes of an option of pip.
enum Fate {
    Index,
    ExtraIndex,
    Offline,
    FindLinks,
    NoBytecode,
    /// A line in the requirements file; the flag tells whether a value belongs to it.
    Line,
    /// Nothing to do, for this reason.
    Drop(&'static str),
    /// The packager has to decide.
    Decide(&'static str),
}

/// Name, short name, takes a value, fate.
const PIP: &[(&str, &str, bool, Fate)] = &[
    ("--index-url", "-i", true, Fate::Index),
    ("--pypi-url", "", true, Fate::Index),
    ("--extra-index-url", "", true, Fate::ExtraIndex),
    ("--no-index", "", false, Fate::Offline),
    ("--find-links", "-f", true, Fate::FindLinks),
    ("--no-compile", "", false, Fate::NoBytecode),
    ("--compile", "", false, Fate::Drop("bytecode is the default")),
    ("--no-binary", "", true, Fate::Line),
    ("--only-binary", "", true, Fate::Line),
    ("--prefer-binary", "", false, Fate::Line),
    ("--pre", "", false, Fate::Line),
    ("--require-hashes", "", false, Fate::Line),
    ("--trusted-host", "", true, Fate::Line),
    ("--constraint", "-c", true, Fate::Line),
    ("--requirement", "-r", true, Fate::Line),
    (
        "--editable",
        "-e",
        true,
        Fate::Decide(
            "a venv in a package cannot point to the build directory: name a directory in 'Project' or a requirement in the requirements file",
        ),
    ),
    (
        "--no-deps",
        "",
        false,
        Fate::Decide(
            "write every distribution with its version into the requirements file, by 'uv pip compile' or 'pip freeze'",
        ),
    ),
    (
        "--no-build-isolation",
        "",
        false,
        Fate::Decide(
            "builds from source get what their pyproject.toml asks for; offline, the wheelhouse or Debian's setuptools serves",
        ),
    ),
    ("--use-pep517", "", false, Fate::Drop("it is what happens anyway")),
    (
        "--no-use-pep517",
        "",
        false,
        Fate::Decide("builds go through pyproject.toml's build system; setuptools is the default where there is none"),
    ),
    (
        "--config-settings",
        "-C",
        true,
        Fate::Decide("put it behind the requirement in the requirements file (--config-settings=…)"),
    ),
    (
        "--global-option",
        "",
        true,
        Fate::Decide("put it behind the requirement in the requirements file (--global-option=…)"),
    ),
    (
        "--install-option",
        "",
        true,
        Fate::Decide(
            "pip has dropped it; what it changed belongs into setup.cfg or an environment variable in debian/rules",
        ),
    ),
    (
        "--process-dependency-links",
        "",
        false,
        Fate::Decide("pip has dropped it; write the link into the requirements file as 'name @ URL'"),
    ),
    ("--allow-external", "", true, Fate::Drop("pip has dropped it")),
    ("--allow-unverified", "", true, Fate::Drop("pip has dropped it")),
    ("--allow-all-external", "", false, Fate::Drop("pip has dropped it")),
    ("--use-wheel", "", false, Fate::Drop("it is what happens anyway")),
    ("--no-use-wheel", "", false, Fate::Decide("write the line '--no-binary :all:' into the requirements file")),
    ("--upgrade", "-U", false, Fate::Drop("the venv is always made anew")),
    ("--upgrade-strategy", "", true, Fate::Drop("the venv is always made anew")),
    ("--force-reinstall", "", false, Fate::Drop("the venv is always made anew")),
    ("--ignore-installed", "-I", false, Fate::Drop("the venv is always made anew")),
    ("--no-cache-dir", "", false, Fate::Drop("what the cache gives back is checked by hash")),
    ("--cache-dir", "", true, Fate::Drop("the cache is in $XDG_CACHE_HOME/dh-venv")),
    ("--download-cache", "", true, Fate::Drop("the cache is in $XDG_CACHE_HOME/dh-venv")),
    ("--build", "-b", true, Fate::Drop("pip has dropped it")),
    ("--quiet", "-q", false, Fate::Drop("DH_QUIET=1 does that")),
    ("--verbose", "-v", false, Fate::Drop("DH_VERBOSE=1 does that")),
    ("--progress-bar", "", true, Fate::Drop("there is no bar in a build log")),
    ("--log", "", true, Fate::Drop("the build log has it")),
    ("--disable-pip-version-check", "", false, Fate::Drop("it is what happens anyway")),
    ("--no-input", "", false, Fate::Drop("it is what happens anyway")),
    ("--no-warn-script-location", "", false, Fate::Drop("it is what happens anyway")),
    ("--no-warn-conflicts", "", false, Fate::Drop("conflicts are errors here")),
    ("--no-python-version-warning", "", false, Fate::Drop("pip has dropped it")),
    ("--root-user-action", "", true, Fate::Drop("nothing is installed as root")),
    ("--break-system-packages", "", false, Fate::Drop("only the venv is written to")),
    ("--isolated", "", false, Fate::Drop("the host's pip settings are always left out")),
    ("--use-feature", "", true, Fate::Drop("the installer's defaults are used")),
    ("--use-deprecated", "", true, Fate::Drop("the installer's defaults are used")),
    ("--timeout", "", true, Fate::Drop("the installer's defaults are used")),
    ("--retries", "", true, Fate::Drop("the installer's defaults are used")),
    ("--proxy", "", true, Fate::Decide("set https_proxy in the build environment")),
    ("--cert", "", true, Fate::Drop("the system's CA certificates are used")),
    ("--client-cert", "", true, Fate::Decide("fetch into a wheelhouse, where the build needs no certificate")),
    ("--user", "", false, Fate::Drop("only the venv is written to")),
    ("--target", "-t", true, Fate::Decide("everything goes into the venv; 'Prefix' says where that is")),
    ("--prefix", "", true, Fate::Decide("everything goes into the venv; 'Prefix' says where that is")),
    ("--root", "", true, Fate::Decide("everything goes into the venv; 'Prefix' says where that is")),
];

/// Reads pip's extra arguments in the order in which pip got them.
pub(super) fn pip(arguments: &[Word], settings: &mut Settings, notes: &mut Notes) {
    let words = split(arguments);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, mut value) = match word.text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.text.as_str(), None),
        };
        let found = PIP.iter().find(|(long, short, ..)| name == *long || !short.is_empty() && name == *short);
        let Some((long, _, takes, fate)) = found else {
            if word.text.starts_with('-') || word.is_open() {
                let hint = "if pip accepts it in a requirements file, write it there; else it has no counterpart";
                notes.warn(word.line, format!("pip's argument '{}' has no field", word.text), hint);
            } else {
                settings.preinstall.push(word.clone());
                let hint = "it is in Preinstall now; it belongs into the requirements file";
                notes.warn(word.line, format!("'{}' among pip's arguments is installed, too", word.text), hint);
            }
            continue;
        };
        if *takes && value.is_none() {
            value = rest.next().map(|next| next.text.clone());
        }
        let value = Word { text: value.unwrap_or_default(), line: word.line };
        match fate {
            Fate::Index => settings.index = Some(value),
            Fate::ExtraIndex => settings.more_indexes.push(value),
            Fate::Offline => settings.offline = true,
            Fate::NoBytecode => settings.no_bytecode = true,
            Fate::FindLinks if value.text.contains("://") => line(word, long, &value.text, notes),
            Fate::FindLinks => {
                let hint = "a wheelhouse also means that nothing is fetched; vendor what it lacks";
                notes.warn(word.line, format!("'{long} {}' has become Wheelhouse", value.text), hint);
                settings.wheelhouse.push(value);
            }
            Fate::Line => line(word, long, &value.text, notes),
            Fate::Drop(why) => {
                notes.warn(word.line, format!("pip's argument '{name}' is dropped"), format!("nothing to do: {why}"));
            }
            Fate::Decide(what) => notes.warn(word.line, format!("pip's argument '{name}' has no field"), *what),
        }
    }
}

fn line(word: &Word, name: &str, value: &str, notes: &mut Notes) {
    let line = format!("{name} {value}");
    let hint = format!("write the line '{}' into the requirements file", line.trim_end());
    notes.warn(word.line, format!("pip's argument '{name}' has no field"), hint);
}

/// Reads virtualenv's (or venv's) extra arguments.
pub(super) fn virtualenv(arguments: &[Word], settings: &mut Settings, notes: &mut Notes) {
    let words = split(arguments);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text.as_str(), None),
        };
        let mut hint = "the venv is made by dh_venv: without pip, with bin/python as a link to Debian's interpreter";
        match name {
            "--system-site-packages" => {
                settings.system_site_packages = true;
                continue;
            }
            "--python" | "-p" => {
                let value = value.or_else(|| rest.next().map(|next| next.text.clone())).unwrap_or_default();
                settings.python = vec![Word { text: value, line: word.line }];
                continue;
            }
            "--no-site-packages" => hint = "nothing to do: it is the default",
            "--always-copy" | "--copies" => {
                hint =
                    "nothing to do: bin/python is a link, so that security updates of Debian's interpreter take effect";
            }
            "--setuptools" | "--wheel" | "--pip" | "--extra-search-dir" | "--prompt" | "--app-data" => {
                if value.is_none() {
                    // Their value may be the next argument; virtualenv's old flags had none.
                    let follows = rest.as_slice().first().is_some_and(|next| !next.text.starts_with('-'));
                    if follows {
                        rest.next();
                    }
                }
                hint = "pip, setuptools and wheel are not part of the venv; 'Keep: setuptools' where the application imports it";
            }
            _ => {}
        }
        notes.warn(word.line, format!("virtualenv's argument '{name}' is dropped"), hint);
    }
}

/// People also write an option and its value as one argument.
fn split(arguments: &[Word]) -> Vec<Word> {
    let part = |word: &Word| -> Vec<Word> {
        if word.is_open() || !word.text.starts_with('-') {
            return vec![word.clone()];
        }
        word.text.split_whitespace().map(|text| Word { text: text.to_owned(), line: word.line }).collect()
    };
    arguments.iter().flat_map(part).collect()
}
