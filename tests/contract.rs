//! The debhelper contract, against debhelper itself.
//!
//! Each row of [`rows`] is a source package and a command line. Debhelper's own
//! Perl library (tests/contract/oracle.pl) and this crate's shell both do what a
//! helper does with it; the answers and every file left in debian/ must be
//! equal. A row runs with debhelper 13 of the machine, and with debhelper 14 of
//! sid, fetched into the cache by tests/contract/fetch-debhelper.

#![expect(clippy::disallowed_methods, reason = "a test sets the scene with files and processes")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it cannot go on")]
#![expect(clippy::print_stdout, reason = "the number of combinations belongs into the test's log")]

#[path = "contract/rows.rs"]
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deb_build_app::debhelper::arch::Architectures;
use deb_build_app::debhelper::generated;
use deb_build_app::debhelper::pkgfile::{self, Variants};
use deb_build_app::debhelper::snippet;
use deb_build_app::debian::script::Script;
use deb_build_app::debian::substvars;
use deb_build_app::error::Result;
use deb_build_app::plan::{Action, Plan};
use deb_build_app::run::{self, Context, Environment, Outcome};
use deb_build_app::{apply, input};
use rows::{Row, Setting};
use serde_json::{Value, json};

const TOOL: &str = "dh_oracle";
const VERSION: &str = "1.0";
const PATHS: [&str; 5] = ["usr/lib/a/.svn/x", "CVS", "usr/lib/a.pyc", "usr/lib/a b", "keep"];

/// The helper's own options, the same as in oracle.pl.
#[derive(Debug, clap::Args)]
struct Own {
    #[arg(long)]
    index: Option<String>,
    #[arg(long, short = 'q')]
    quick: bool,
    #[arg(long)]
    extra: Vec<String>,
    #[arg(long, num_args(0..=1), default_missing_value = "")]
    level: Option<String>,
    words: Vec<String>,
}

/// A row, how it is run, and where its source package is.
type Case<'a> = (&'a Row, Setting, PathBuf);

/// What one side made of a row: how it ended, what it said, what it left.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    class: &'static str,
    values: Value,
    files: BTreeMap<String, String>,
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract")
}

fn environment(row: &Row) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/nonexistent".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("DH_AUTOSCRIPTDIR", tests().join("autoscripts").display().to_string()),
        ("DEB_HOST_ARCH", "amd64".to_owned()),
        ("DEB_HOST_ARCH_OS", "linux".to_owned()),
        ("DEB_HOST_MULTIARCH", "x86_64-linux-gnu".to_owned()),
        ("DEB_TARGET_ARCH", "amd64".to_owned()),
        ("DEB_TARGET_ARCH_OS", "linux".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (name, value) in &row.environment {
        match value {
            Some(value) => variables.insert(name.clone(), value.clone()),
            None => variables.remove(name),
        };
    }
    variables
}

/// Write the row's source package into `directory`.
fn set_scene(row: &Row, setting: Setting, directory: &Path) {
    let debian = directory.join("debian");
    std::fs::create_dir_all(&debian).unwrap();
    let mut control = std::fs::read_to_string(tests().join(format!("control/{}.control", row.control))).unwrap();
    for (from, to) in &row.edits {
        assert!(control.contains(from.as_str()), "{}: nothing to replace: {from}", row.name);
        control = control.replacen(from.as_str(), to, 1);
    }
    let control = control.replace("@LEVEL@", setting.level());
    if !row.without_control {
        std::fs::write(debian.join("control"), control).unwrap();
    }
    for (name, text, mode) in &row.files {
        let path = debian.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    let root = directory.join("debian");
    input::tree(&root)
        .unwrap()
        .into_iter()
        .filter(|entry| matches!(entry.kind, input::Kind::File { .. }))
        .map(|entry| {
            let text = std::fs::read_to_string(root.join(&entry.path)).unwrap();
            (entry.path.display().to_string(), text)
        })
        .collect()
}

/// Every row through debhelper's library, in one Perl process.
fn debhelper(cases: &[Case<'_>], perl5lib: Option<&Path>) -> Vec<(Answer, String)> {
    let mut command = Command::new("/usr/bin/perl");
    command.arg(tests().join("oracle.pl")).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    if let Some(directory) = perl5lib {
        command.env("PERL5LIB", directory);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("perl starts");
    let mut questions = String::new();
    for (id, (row, _, directory)) in cases.iter().enumerate() {
        let question = json!({
            "id": id, "directory": directory, "arguments": row.arguments,
            "environment": environment(row), "paths": PATHS,
        });
        questions.push_str(&format!("{question}\n"));
    }
    let mut pipe = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || pipe.write_all(questions.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "oracle.pl: {}", output.status);
    let reports: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), cases.len(), "oracle.pl answers every row");
    let answer = |(report, (_, _, directory)): (Value, &Case<'_>)| {
        let class = match (report["status"].as_i64(), report["answer"].is_object()) {
            (Some(0), true) => "done",
            (Some(0), false) => "nothing",
            _ => "error",
        };
        let values = if class == "done" { report["answer"].clone() } else { Value::Null };
        let messages = report["messages"].as_str().unwrap_or_default().to_owned();
        (Answer { class, values, files: files(directory) }, messages)
    };
    reports.into_iter().zip(cases).map(answer).collect()
}

/// The row through this crate's shell.
fn ours(row: &Row, directory: &Path) -> (Answer, String) {
    let mut values = Value::Null;
    let outcome = run::within(
        TOOL,
        Environment::from_pairs(environment(row)),
        &row.arguments,
        directory,
        |context: &Context, own: Own| {
            values = answer(context, &own)?;
            for package in context.build.packages() {
                write_files(context, &package.name)?;
            }
            Ok(())
        },
    );
    let (class, message) = match &outcome {
        Ok(Outcome::Done) => ("done", String::new()),
        Ok(Outcome::Nothing) => ("nothing", String::new()),
        Ok(Outcome::Answered) => ("answered", String::new()),
        Err(error) => {
            let first = &error.diagnostics()[0];
            assert!(first.hint.is_some(), "{}: no cure for: {first}", row.name);
            ("error", format!("{first} (hint: {})", first.hint.clone().unwrap_or_default()))
        }
    };
    if class != "done" {
        values = Value::Null;
    }
    (Answer { class, values, files: files(directory) }, message)
}

fn answer(context: &Context, own: &Own) -> Result<Value> {
    let build = &context.build;
    let common = &build.options;
    let relative = |path: &Path| path.strip_prefix(&context.directory).unwrap_or(path).display().to_string();
    let (mut tmpdir, mut config, mut plain) = (json!({}), json!({}), json!({}));
    for package in build.packages() {
        let name = package.name.as_str();
        tmpdir[name] = json!(relative(&build.temporary_directory(name)));
        config[name] = match pkgfile::find(build, name, "venv")? {
            None => Value::Null,
            Some(file) => {
                let lines = file.text.lines().filter(|line| file.executable || !line.trim_start().starts_with('#'));
                let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
                json!({"path": file.path, "text": words.join(" ")})
            }
        };
        plain[name] = json!(pkgfile::path(build, name, "venv", Variants { named: false, by_architecture: false })?);
    }
    Ok(json!({
        "selected": build.selected,
        "main": build.main_package().name,
        "compat": build.compat,
        "tmpdir": tmpdir,
        "config": config,
        "plain": plain,
        "excluded": PATHS.map(|path| (path, build.excluded(path))).into_iter().collect::<BTreeMap<_, _>>(),
        "own": {"index": own.index, "quick": own.quick, "extra": own.extra, "level": own.level},
        "options": {
            "verbose": build.verbose, "no_act": build.no_act, "quiet": build.quiet,
            "noscripts": common.no_scripts, "onlyscripts": common.only_scripts, "d": common.d_flag,
            "all": common.all, "u": common.parameters, "V": common.v_flag, "name": common.name,
            "debug": common.debug_package, "error_handler": common.error_handler, "words": own.words,
        },
    }))
}

/// The same as `write_files` of oracle.pl, through plans.
fn write_files(context: &Context, package: &str) -> Result<()> {
    let build = &context.build;
    let carry_out = |action: Action| apply::plan(&Plan::new([action]), &context.printer, build.no_act);
    let existing = input::text(&build.debian(&format!("{package}.substvars")))?.unwrap_or_default();
    let items = ["notes-common", "init-system-helpers (>= 1.54)", "notes-common"].map(str::to_owned);
    let mut text = substvars::add(&existing, "misc:Depends", &items);
    text = substvars::add(&text, "venv:Depends", &["python3".to_owned()]);
    text = substvars::remove(&text, "old:Depends", &["gone".to_owned()]);
    text = substvars::delete(&text, "stale:Depends");
    let Action::Write { path, contents, mode } = substvars::action(Some(text), package, "venv:Depends", &[]) else {
        panic!("a write");
    };
    carry_out(Action::Write { path: build.directory.join(path), contents, mode })?;

    let one = format!("if [ \"$1\" = configure ]; then\n\techo \"one of {package}\"\nfi\n");
    let two = format!("echo \"two of {package}\"\n");
    for script in [Script::Preinst, Script::Postinst, Script::Prerm, Script::Postrm] {
        for body in [&one, &two] {
            if let Some(action) = snippet::action(build, package, script, TOOL, VERSION, body)? {
                carry_out(action)?;
            }
        }
    }
    for script in [Script::Postinst, Script::Prerm] {
        for body in [&one, &two] {
            if let Some(action) = snippet::service_action(build, package, script, TOOL, VERSION, body)? {
                carry_out(action)?;
            }
        }
    }
    for (kind, name) in
        [("activate-noawait", "notes-changed"), ("interest", "/usr/lib/notes"), ("activate-noawait", "notes-changed")]
    {
        carry_out(generated::trigger(build, package, TOOL, VERSION, kind, name)?)?;
    }
    carry_out(generated::installed(build, package, TOOL, ["src/a", "src/b"].map(Path::new)))?;
    carry_out(generated::installed(build, package, TOOL, [Path::new("src/c")]))
}

/// A directory for the scenes; in memory where programs may run there, as the
/// many small renames are slow on a disk.
fn scratch() -> tempfile::TempDir {
    let memory = tempfile::tempdir_in("/dev/shm").ok().filter(|directory| {
        let program = directory.path().join("probe");
        std::fs::write(&program, "#!/bin/sh\n").is_ok()
            && std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).is_ok()
            && Command::new(&program).status().is_ok_and(|status| status.success())
    });
    memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// debhelper 14 of sid, fetched where the cache does not have it.
fn debhelper_14() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".cache"));
    let directory = cache.join("deb-build-app/debhelper-14");
    let status = Command::new(tests().join("fetch-debhelper")).arg("sid").arg(&directory).status();
    assert!(status.expect("fetch-debhelper starts").success(), "fetch-debhelper has failed");
    let version = std::fs::read_to_string(directory.join("version")).unwrap();
    assert!(version.starts_with("14."), "debhelper of sid is {version}: the rows are written for 14");
    directory.join("usr/share/perl5")
}

fn show(answer: &Answer, messages: &str) -> String {
    let mut text = format!("{}: {}\n", answer.class, serde_json::to_string(&answer.values).unwrap());
    text.push_str(&messages.lines().map(|line| format!("      | {line}\n")).collect::<String>());
    text
}

#[test]
fn every_combination_is_answered_as_debhelper_answers_it() {
    let rows = rows::all();
    let mut names = BTreeSet::new();
    let twice: Vec<&str> = rows.iter().map(|row| row.name.as_str()).filter(|name| !names.insert(*name)).collect();
    assert_eq!(twice, [] as [&str; 0], "each row has a name of its own");
    let root = scratch();
    let perl5lib = debhelper_14();
    let mut failures = Vec::new();
    let (mut executed, mut deviations) = (0, 0);
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let batches = [false, true].map(|newer| {
        let combinations = rows.iter().flat_map(|row| row.settings.iter().map(move |setting| (row, *setting)));
        let cases: Vec<Case<'_>> = combinations
            .filter(|(_, setting)| setting.newer() == newer)
            .enumerate()
            .map(|(id, (row, setting))| (row, setting, root.path().join(format!("{newer}/{id}/debhelper"))))
            .collect();
        for (row, setting, directory) in &cases {
            set_scene(row, *setting, directory);
        }
        (cases, newer.then_some(perl5lib.as_path()))
    });
    // Both debhelpers answer while we do.
    let answers = std::thread::scope(|scope| {
        let theirs = batches.each_ref().map(|(cases, perl5lib)| scope.spawn(|| debhelper(cases, *perl5lib)));
        let ours = batches.each_ref().map(|(cases, _)| {
            let one = |(row, setting, directory): &Case<'_>| {
                let directory = directory.with_file_name("ours");
                set_scene(row, *setting, &directory);
                ours(row, &directory)
            };
            cases.iter().map(one).collect::<Vec<_>>()
        });
        theirs.map(|thread| thread.join().expect("debhelper answers")).into_iter().zip(ours).collect::<Vec<_>>()
    });
    for ((cases, _), (theirs, ours)) in batches.iter().zip(answers) {
        for ((row, setting, _), ((theirs, messages), (ours, message))) in cases.iter().zip(theirs.into_iter().zip(ours))
        {
            executed += 1;
            *classes.entry(ours.class).or_default() += 1;
            let agree = match theirs.class {
                "done" => ours == theirs,
                class => ours.class == class,
            };
            let fine = match row.differs {
                None => agree,
                Some((class, _)) => {
                    deviations += 1;
                    !agree && ours.class == class
                }
            };
            if !fine {
                let wanted = match row.differs {
                    Some((class, why)) => format!("wanted: a difference, ours '{class}': {why}\n"),
                    None => String::new(),
                };
                let mut text = format!(
                    "{} ({setting:?}) args {:?} env {:?}\n  debhelper {}  ours      {}{wanted}",
                    row.name,
                    row.arguments,
                    row.environment,
                    show(&theirs, &messages),
                    show(&ours, &message)
                );
                if theirs.class == "done" && ours.class == "done" {
                    for name in theirs.files.keys().chain(ours.files.keys()).collect::<BTreeSet<_>>() {
                        let (a, b) = (theirs.files.get(name), ours.files.get(name));
                        if a != b {
                            text.push_str(&format!("  {name}\n    debhelper {a:?}\n    ours      {b:?}\n"));
                        }
                    }
                }
                failures.push(text);
            }
        }
    }
    println!("contract: {} rows, {executed} combinations executed, 0 skipped, {classes:?}", rows.len());
    assert!(failures.is_empty(), "{} of {executed} combinations differ:\n\n{}", failures.len(), failures.join("\n"));
    assert_eq!((rows.len(), executed, deviations), rows::TOTALS, "rows, combinations, deviations");
}

#[test]
fn wildcards_mean_what_dpkg_architecture_says() {
    let architectures = [
        "amd64",
        "i386",
        "x32",
        "arm64",
        "armhf",
        "armel",
        "riscv64",
        "ppc64el",
        "s390x",
        "mips64el",
        "hurd-i386",
        "kfreebsd-amd64",
        "musl-linux-arm64",
        "uclibc-linux-armel",
        "loong64",
    ];
    let patterns = [
        "any",
        "linux-any",
        "any-amd64",
        "any-arm",
        "gnu-any-any",
        "musl-any-any",
        "base-gnu-linux-any",
        "hurd-any",
        "eabihf-any-any-any",
        "linux-arm64",
        "any-any-any-any",
        "armhf",
    ];
    // One shell for all: dpkg-architecture answers by its exit status.
    let script = "for a in $1; do for p in $2; do dpkg-architecture -f -a \"$a\" -i \"$p\" 2>/dev/null; echo \"$a $p $?\"; done; done";
    let output = Command::new("/bin/sh")
        .args(["-c", script, "sh", &architectures.join(" "), &patterns.join(" ")])
        .output()
        .expect("sh starts");
    let text = String::from_utf8(output.stdout).unwrap();
    let ours = Architectures::new(&Environment::default());
    let mut pairs = 0;
    for line in text.lines() {
        let [architecture, pattern, status] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let theirs = match status {
            "0" => true,
            "1" => false,
            other => panic!("dpkg-architecture -a {architecture} -i {pattern}: exit status {other}"),
        };
        assert_eq!(ours.is(architecture, pattern).unwrap(), theirs, "{architecture} as {pattern}");
        pairs += 1;
    }
    assert_eq!(pairs, 180);
}

/// The faults of a command line in the package `several`, at level 14.
fn faults(arguments: &[&str], environment: &[(&str, &str)], files: &[&str]) -> (Vec<String>, Vec<String>) {
    let root = tempfile::tempdir().unwrap();
    let debian = root.path().join("debian");
    std::fs::create_dir(&debian).unwrap();
    let control = std::fs::read_to_string(tests().join("control/several.control")).unwrap();
    std::fs::write(debian.join("control"), control.replace("@LEVEL@", "14")).unwrap();
    for name in files {
        std::fs::write(debian.join(name), "").unwrap();
    }
    let environment = Environment::from_pairs(
        [("DEB_HOST_ARCH", "amd64"), ("DEB_HOST_ARCH_OS", "linux")].iter().chain(environment).copied(),
    );
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let mut warnings = Vec::new();
    let outcome = run::within(TOOL, environment, &arguments, root.path(), |context: &Context, _: NoWords| {
        for package in context.build.packages() {
            let file = pkgfile::find(&context.build, &package.name, "venv")?;
            warnings.extend(file.into_iter().flat_map(|file| file.warnings).map(|warning| warning.to_string()));
        }
        Ok(())
    });
    let errors = outcome.err().map_or_else(Vec::new, |error| {
        let status = error.exit_status();
        let say = |fault: &deb_build_app::error::Diagnostic| {
            format!("{status}: {fault} ({})", fault.hint.as_deref().unwrap_or_default())
        };
        error.diagnostics().iter().map(say).collect()
    });
    (errors, warnings)
}

#[derive(Debug, clap::Args)]
struct NoWords {
    #[arg(long, value_parser = ["auto", "uv"])]
    installer: Option<String>,
}

#[test]
fn faults_on_the_command_line_name_the_cure() {
    let errors = |arguments: &[&str]| faults(arguments, &[], &[]).0;
    assert_eq!(errors(&["--instaler=uv"]), ["2: unknown option '--instaler' (did you mean '--installer'?)"]);
    assert_eq!(errors(&["-Q"]), ["2: unknown option '-Q' ('dh_oracle --help' lists the options)"]);
    assert_eq!(
        errors(&["--installer=pipp"]),
        ["2: invalid value 'pipp' for '--installer <INSTALLER>' ([possible values: auto, uv])"]
    );
    assert_eq!(
        errors(&["-pnote"]),
        ["2: --package names 'note', which debian/control does not have (did you mean 'notes'?)"]
    );
    assert_eq!(
        errors(&["notes"]),
        ["2: unexpected word 'notes' (dh_oracle takes options only; 'dh_oracle --help' lists them)"]
    );
    assert_eq!(errors(&["-O--instaler=uv", "--installer=auto"]), [] as [&str; 0]);
}

#[test]
fn an_unprefixed_config_file_is_deprecated_in_level_14() {
    let warned =
        |arguments: &[&str], environment: &[(&str, &str)], files: &[&str]| faults(arguments, environment, files).1;
    assert_eq!(warned(&[], &[], &["venv"]), ["debian/venv: a config file without a package's name is deprecated"]);
    assert_eq!(warned(&[], &[("DH_COMPAT", "13")], &["venv"]), [] as [&str; 0]);
    assert_eq!(warned(&[], &[], &["notes.venv", "venv"]), [] as [&str; 0]);
}

#[test]
fn help_and_version_need_no_source_package() {
    let empty = tempfile::tempdir().unwrap();
    for option in ["-h", "--help", "--version"] {
        let words = [option.to_owned()];
        let outcome = run::within(TOOL, Environment::default(), &words, empty.path(), |_: &Context, _: Own| {
            panic!("the body does not run")
        });
        assert_eq!(outcome, Ok(Outcome::Answered), "{option}");
    }
    let help = deb_build_app::cli::command::<Own>(TOOL).render_help().to_string();
    for option in
        ["--index <INDEX>", "--remaining-packages", "-X, --exclude <TEXT>", "--mainpackage <PACKAGE>", "-O <OPTION>"]
    {
        assert!(help.contains(option), "no {option} in:\n{help}");
    }
}
