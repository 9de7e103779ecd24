//! The installers' command lines: uv and pip, for the same results.
//!
//! Owns which variables of the caller reach a child. Starts nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::plan::Process;
use crate::python::name::normalise;

/// The installer that does the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installer {
    /// uv, wherever it was found.
    Uv {
        /// Its path.
        program: PathBuf,
        /// `0.13.8`.
        version: String,
    },
    /// Debian's pip, started by Debian's python3.
    Pip {
        /// `23.0.1`.
        version: String,
    },
}

impl Installer {
    /// For messages and the cache key: `uv 0.13.8`.
    pub fn label(&self) -> String {
        match self {
            Self::Uv { version, .. } => format!("uv {version}"),
            Self::Pip { version } => format!("pip {version}"),
        }
    }
}

/// Where distributions come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Indexes, the primary one first; empty means the installer's default.
    pub indexes: Vec<String>,
    /// Local directories of wheels and archives (absolute).
    pub find_links: Vec<PathBuf>,
    /// Whether only `find_links` may be used.
    pub offline: bool,
    /// Options of requirement files that installers want on the command line too.
    pub pre: bool,
    /// `--no-binary` values.
    pub no_binary: Vec<String>,
    /// `--only-binary` values.
    pub only_binary: Vec<String>,
}

impl Sources {
    /// Whether a distribution (normalised name) has to be built although it may have a wheel.
    pub fn demand_source(&self, name: &str) -> bool {
        // pip's format control: ":all:" is everything, ":none:" takes back what stood before.
        self.no_binary.iter().flat_map(|value| value.split(',')).fold(false, |demanded, word| match word.trim() {
            ":all:" => true,
            ":none:" => false,
            word => demanded || normalise(word) == name,
        })
    }
}

/// Directories of a build that children use.
#[derive(Debug, Clone)]
pub struct Rooms {
    /// Home of the children.
    pub home: PathBuf,
    /// Temporary directory of the children.
    pub temporary: PathBuf,
    /// uv's cache.
    pub uv: PathBuf,
    /// pip's cache: this build's own, which shares nothing but downloads with others.
    pub pip: PathBuf,
}

/// Variables that index settings of the host may come in.
const HOST_INDEX: [&str; 9] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INSECURE_HOST",
    "NETRC",
];

/// Prefixes of variables that must not decide what is built.
const DROPPED: [&str; 12] = [
    "PIP_",
    "UV_",
    "PYTHON",
    "VIRTUAL_ENV",
    "CONDA",
    "PYENV",
    "FAKEROOT",
    "LD_PRELOAD",
    "MAKE",
    "MFLAGS",
    "DH_",
    "XDG_",
];

/// Where Debian keeps the machine's certificates.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The environment of children: the caller's, without what would make the
/// result depend on the machine, and not under fakeroot.
pub fn environment(
    caller: &BTreeMap<OsString, OsString>,
    rooms: &Rooms,
    host_index: bool,
    ca_bundle_present: bool,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    for (name, value) in caller {
        let text = name.to_string_lossy();
        let certificate = matches!(&*text, "PIP_CERT" | "UV_NATIVE_TLS" | "UV_SYSTEM_CERTS");
        let index = host_index && HOST_INDEX.contains(&&*text);
        if certificate || index || !DROPPED.iter().any(|prefix| text.starts_with(prefix)) {
            all.insert(name.clone(), value.clone());
        }
    }
    let debian = "/usr/sbin:/usr/bin:/sbin:/bin";
    let path = match caller.get(&OsString::from("PATH")) {
        Some(path) => format!("{debian}:{}", path.to_string_lossy()),
        None => debian.to_owned(),
    };
    let mut set = |name: &str, value: OsString| drop(all.insert(name.into(), value));
    set("PATH", path.into());
    set("HOME", rooms.home.clone().into());
    set("TMPDIR", rooms.temporary.clone().into());
    set("LC_ALL", "C.UTF-8".into());
    set("TZ", "UTC".into());
    set("PYTHONHASHSEED", "0".into());
    set("PYTHONDONTWRITEBYTECODE", "1".into());
    set("PYTHONNOUSERSITE", "1".into());
    set("PIP_CONFIG_FILE", "/dev/null".into());
    set("PIP_DISABLE_PIP_VERSION_CHECK", "1".into());
    set("PIP_NO_INPUT", "1".into());
    set("PIP_NO_COLOR", "1".into());
    set("PIP_PROGRESS_BAR", "off".into());
    set("PIP_ROOT_USER_ACTION", "ignore".into());
    set("PIP_CACHE_DIR", rooms.pip.clone().into());
    set("UV_NO_CONFIG", "1".into());
    set("UV_NO_PROGRESS", "1".into());
    set("UV_PYTHON_DOWNLOADS", "never".into());
    set("UV_CACHE_DIR", rooms.uv.clone().into());
    set("NO_COLOR", "1".into());
    if ca_bundle_present {
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"] {
            all.entry(name.into()).or_insert_with(|| CA_BUNDLE.into());
        }
    }
    all
}

/// Variables that say who builds, where from and in which job, in front of
/// their names; those are of no account to a compiler.
const NEUTRAL: [&str; 42] = [
    "BUILD_",
    "CI_",
    "COLORTERM",
    "COLUMNS",
    "DBUS_",
    "DEBEMAIL",
    "DEBFULLNAME",
    "DEBSIGN_",
    "DESKTOP_",
    "DISPLAY",
    "EDITOR",
    "GITHUB_",
    "GITLAB_",
    "GPG_",
    "HIST",
    "HOME",
    "JENKINS_",
    "JOB_",
    "LANG",
    "LC_",
    "LESS",
    "LINES",
    "LOGNAME",
    "LS_COLORS",
    "MAIL",
    "OLDPWD",
    "PAGER",
    "PWD",
    "RUNNER_",
    "SCHROOT_",
    "SESSION_",
    "SHELL",
    "SHLVL",
    "SSH_",
    "STY",
    "SUDO_",
    "TERM",
    "TMUX",
    "TZ",
    "USER",
    "WINDOWID",
    "XAUTHORITY",
];

/// Words of DEB_BUILD_OPTIONS that do not change what is built.
const NEUTRAL_OPTIONS: [&str; 5] = ["nocheck", "nodoc", "parallel", "quiet", "terse"];

/// What of the caller's environment may decide what a compiler makes, as
/// `NAME=VALUE`: everything that reaches a build and is not known to be neutral.
pub fn decisive(caller: &BTreeMap<OsString, OsString>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in caller {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let neutral =
            matches!(&*name, "_" | "CI" | "TMP" | "TEMP" | "TMPDIR" | "EXECUTOR_NUMBER" | "NODE_NAME" | "WORKSPACE");
        if neutral || NEUTRAL.iter().chain(&DROPPED).any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let value = match &*name {
            "DEB_BUILD_OPTIONS" => value
                .split_whitespace()
                .filter(|word| !NEUTRAL_OPTIONS.contains(&word.split('=').next().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(" "),
            _ => value.into_owned(),
        };
        // An option that is not there is as one without words.
        if name != "DEB_BUILD_OPTIONS" || !value.is_empty() {
            all.push(format!("{name}={value}"));
        }
    }
    all
}

/// Path of the bundle, for the caller to look whether it is there.
pub fn ca_bundle() -> &'static Path {
    Path::new(CA_BUNDLE)
}

/// `/usr/bin/python3 -m pip`: pip is Debian's, whatever interpreter the venv has.
fn pip(venv_python: &Path, words: &[&str]) -> Process {
    let mut arguments: Vec<OsString> = ["-m", "pip", "--python"].map(OsString::from).to_vec();
    arguments.push(venv_python.into());
    arguments.extend(words.iter().map(OsString::from));
    Process::new("/usr/bin/python3", arguments)
}

fn uv(program: &Path, venv_python: &Path, words: &[&str]) -> Process {
    let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
    arguments.push("--python".into());
    arguments.push(venv_python.into());
    Process::new(program, arguments)
}

fn push_sources(process: &mut Process, sources: &Sources, is_uv: bool) {
    let mut add = |word: &str, value: Option<&std::ffi::OsStr>| {
        process.arguments.push(word.into());
        process.arguments.extend(value.map(OsString::from));
    };
    if sources.offline {
        add("--no-index", None);
        if is_uv {
            add("--offline", None);
        }
    } else {
        for (place, index) in sources.indexes.iter().enumerate() {
            let option = match (place, is_uv) {
                (0, true) => "--default-index",
                (0, false) => "--index-url",
                (_, true) => "--index",
                (_, false) => "--extra-index-url",
            };
            add(option, Some(index.as_ref()));
        }
        if is_uv && sources.indexes.len() > 1 {
            // pip's rule, so that both installers choose the same.
            add("--index-strategy", Some("unsafe-best-match".as_ref()));
        }
    }
    for directory in &sources.find_links {
        add("--find-links", Some(directory.as_os_str()));
    }
    if sources.pre {
        if is_uv {
            add("--prerelease", Some("allow".as_ref()));
        } else {
            add("--pre", None);
        }
    }
    for name in &sources.no_binary {
        add("--no-binary", Some(name.as_ref()));
    }
    for name in &sources.only_binary {
        add("--only-binary", Some(name.as_ref()));
    }
}

/// Make an empty venv.
pub fn make_venv(interpreter: &Path, directory: &Path, package: &str, system_site_packages: bool) -> Process {
    let mut arguments: Vec<OsString> =
        ["-I", "-m", "venv", "--without-pip", "--symlinks", "--prompt", package].map(OsString::from).to_vec();
    if system_site_packages {
        arguments.push("--system-site-packages".into());
    }
    arguments.push(directory.into());
    Process::new(interpreter, arguments)
}

/// Resolve a requirements file to exact distributions: prints pip's report or a pylock.toml.
pub fn resolve(installer: &Installer, venv_python: &Path, requirements: &Path, sources: &Sources) -> Process {
    match installer {
        Installer::Uv { program, .. } => {
            let mut process =
                uv(program, venv_python, &["pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml"]);
            push_sources(&mut process, sources, true);
            process.arguments.push(requirements.into());
            process
        }
        Installer::Pip { .. } => {
            let words = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"];
            let mut process = pip(venv_python, &words);
            push_sources(&mut process, sources, false);
            process.arguments.push("--requirement".into());
            process.arguments.push(requirements.into());
            process
        }
    }
}

/// Where the installed files' bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// uv's cache and the venv share them: they must not be written to, only replaced.
    Shared,
    /// The venv has them for itself.
    Apart,
    /// As before, and no cache is believed.
    Anew,
}

/// Install exactly what a requirements file lists, from wheels alone; `hashed`
/// demands a hash of each.
///
/// Nothing is ever built here: the installers keep what they have built under
/// names and paths, and would offer it again when the compiler or its flags have
/// changed.
pub fn install(
    installer: &Installer,
    venv_python: &Path,
    requirements: &Path,
    sources: &Sources,
    hashed: bool,
    files: Files,
) -> Process {
    let wheels_only = Sources { no_binary: Vec::new(), only_binary: Vec::new(), ..sources.clone() };
    let mut process = match installer {
        Installer::Uv { program, .. } => {
            let mut process = uv(program, venv_python, &["pip", "install", "--no-deps"]);
            let mode = if files == Files::Shared { "hardlink" } else { "copy" };
            process.environment.insert("UV_LINK_MODE".into(), mode.into());
            if files == Files::Anew {
                process.arguments.push("--no-cache".into());
            }
            push_sources(&mut process, &wheels_only, true);
            process.arguments.push("--no-build".into());
            process
        }
        Installer::Pip { .. } => {
            let mut process = pip(venv_python, &["install", "--no-deps", "--no-compile", "--no-warn-script-location"]);
            push_sources(&mut process, &wheels_only, false);
            process.arguments.extend(["--only-binary", ":all:"].map(OsString::from));
            process
        }
    };
    push_requirements(&mut process, requirements, hashed);
    process
}

/// Build the wheels of what a requirements file lists into `out`, with pip: uv
/// has no command for it.
pub fn source_wheels(venv_python: &Path, requirements: &Path, out: &Path, sources: &Sources, hashed: bool) -> Process {
    let mut process = pip(venv_python, &["wheel", "--no-deps", "--wheel-dir"]);
    process.arguments.push(out.into());
    push_sources(&mut process, sources, false);
    push_requirements(&mut process, requirements, hashed);
    process
}

fn push_requirements(process: &mut Process, requirements: &Path, hashed: bool) {
    if hashed {
        process.arguments.push("--require-hashes".into());
    }
    process.arguments.push("--requirement".into());
    process.arguments.push(requirements.into());
}

/// Empty uv's cache; `None` where `cache` is not its own, or uv is not the installer.
pub fn clean(installer: &Installer, cache: &Path) -> Option<Process> {
    match installer {
        Installer::Uv { program, .. } if cache.ends_with("uv") => {
            Some(Process::new(program, ["cache", "clean", "--quiet"]))
        }
        _ => None,
    }
}

/// How a project's build requirements are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEnvironment {
    /// A fresh environment with just these exact requirements.
    Isolated {
        /// A constraints file with them.
        constraints: PathBuf,
        /// Those of them that have wheels; nothing that was built earlier may take their place.
        wheels: Vec<String>,
    },
    /// Debian's own packages, as installed (setuptools, wheel …).
    System,
}

/// Build a project's wheel into `out`.
pub fn wheel(
    installer: &Installer,
    venv_python: &Path,
    project: &Path,
    out: &Path,
    sources: &Sources,
    build: &BuildEnvironment,
) -> Process {
    match installer {
        Installer::Uv { program, .. } => {
            let mut process = uv(program, venv_python, &["build", "--wheel", "--no-create-gitignore", "--out-dir"]);
            // `--out-dir` wants its value next; `uv()` has put --python behind it.
            let tail = process.arguments.split_off(process.arguments.len() - 2);
            process.arguments.push(out.into());
            process.arguments.extend(tail);
            push_sources(&mut process, sources, true);
            match build {
                BuildEnvironment::Isolated { constraints, wheels } => {
                    process.arguments.push("--build-constraints".into());
                    process.arguments.push(constraints.into());
                    if !wheels.is_empty() {
                        process.environment.insert("UV_NO_BUILD_PACKAGE".into(), wheels.join(" ").into());
                    }
                }
                BuildEnvironment::System => process.arguments.push("--no-build-isolation".into()),
            }
            process.arguments.push(project.into());
            process
        }
        Installer::Pip { .. } => {
            let mut process = pip(venv_python, &["wheel", "--no-deps", "--wheel-dir"]);
            process.arguments.push(out.into());
            push_sources(&mut process, sources, false);
            match build {
                BuildEnvironment::Isolated { constraints, .. } => {
                    process.environment.insert("PIP_CONSTRAINT".into(), constraints.into());
                }
                BuildEnvironment::System => process.arguments.push("--no-build-isolation".into()),
            }
            process.arguments.push(project.into());
            process
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn rooms() -> Rooms {
        Rooms { home: "/w/home".into(), temporary: "/w/tmp".into(), uv: "/c/uv".into(), pip: "/w/pip".into() }
    }

    #[test]
    fn the_hosts_settings_do_not_reach_an_installer() {
        let caller = caller(&[
            ("PIP_INDEX_URL", "https://mirror.invalid"),
            ("PIP_FIND_LINKS", "/x"),
            ("UV_INDEX", "y"),
            ("PYTHONPATH", "/p"),
            ("VIRTUAL_ENV", "/v"),
            ("LD_PRELOAD", "libfakeroot.so"),
            ("PATH", "/home/anna/bin"),
            ("SSL_CERT_FILE", "/own.pem"),
            ("CFLAGS", "-O2"),
        ]);
        let clean = environment(&caller, &rooms(), false, true);
        let get = |name: &str| clean.get(&OsString::from(name)).map(|value| value.to_str().unwrap());
        for gone in ["PIP_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "PYTHONPATH", "VIRTUAL_ENV", "LD_PRELOAD"] {
            assert_eq!(get(gone), None, "{gone}");
        }
        assert_eq!(get("PATH"), Some("/usr/sbin:/usr/bin:/sbin:/bin:/home/anna/bin"));
        assert_eq!(get("SSL_CERT_FILE"), Some("/own.pem"));
        assert_eq!(get("PIP_CERT"), Some(CA_BUNDLE));
        assert_eq!(get("CFLAGS"), Some("-O2"));
        let asked = environment(&caller, &rooms(), true, true);
        assert_eq!(asked[&OsString::from("PIP_INDEX_URL")], "https://mirror.invalid");
        assert!(!asked.contains_key(&OsString::from("PIP_FIND_LINKS")));
    }

    #[test]
    fn index_order_is_kept_and_offline_means_no_index() {
        let uv = Installer::Uv { program: "/usr/bin/uv".into(), version: "0".into() };
        let pip = Installer::Pip { version: "0".into() };
        let sources =
            Sources { indexes: vec!["https://a.invalid".into(), "https://b.invalid".into()], ..Sources::default() };
        let text = |installer| resolve(installer, Path::new("/v/bin/python"), Path::new("/r"), &sources).to_string();
        assert!(text(&uv).contains("--default-index https://a.invalid --index https://b.invalid"));
        assert!(text(&pip).contains("--index-url https://a.invalid --extra-index-url https://b.invalid"));
        let offline = Sources { find_links: vec!["/w".into()], offline: true, ..sources };
        let text = install(&pip, Path::new("/v/bin/python"), Path::new("/r"), &offline, true, Files::Apart).to_string();
        assert!(text.contains("--no-index --find-links /w --only-binary :all: --require-hashes"), "{text}");
        assert!(!text.contains("invalid"));
    }

    #[test]
    fn what_a_compiler_may_see_decides_and_nothing_else() {
        let caller = caller(&[
            ("CFLAGS", "-O2"),
            ("DEB_CFLAGS_APPEND", "-DX"),
            ("YARL_NO_EXTENSIONS", "1"),
            ("DEB_BUILD_OPTIONS", "parallel=8 noopt nocheck"),
            ("PIP_INDEX_URL", "https://mirror.invalid"),
            ("MAKEFLAGS", "-j8"),
            ("PWD", "/home/anna/notes"),
            ("SSH_CONNECTION", "a"),
            ("CI", "1"),
        ]);
        let expected = ["CFLAGS=-O2", "DEB_BUILD_OPTIONS=noopt", "DEB_CFLAGS_APPEND=-DX", "YARL_NO_EXTENSIONS=1"];
        assert_eq!(decisive(&caller), expected);
    }

    #[test]
    fn sources_are_demanded_by_name_or_of_all() {
        let demand = |values: &[&str], name: &str| {
            let no_binary = values.iter().map(|value| (*value).to_owned()).collect();
            Sources { no_binary, ..Sources::default() }.demand_source(name)
        };
        assert!(demand(&["Zope.Interface,other"], "zope-interface"));
        assert!(demand(&[":all:"], "tiny") && !demand(&[":all:", ":none:"], "tiny") && !demand(&["x"], "tiny"));
    }
}
