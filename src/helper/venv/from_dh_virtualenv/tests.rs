//! Rules files as people have them, and every option of dh_virtualenv's.

use std::path::Path;

use super::options::{Meaning, OPTIONS};
use super::*;

const CONTROL: &str = "\
Source: tracker
Build-Depends: debhelper (>= 9), dh-virtualenv (>= 1.0),
 python3-dev,
 python3-venv
Standards-Version: 4.1.0

Package: tracker
Architecture: any
Pre-Depends: dpkg (>= 1.16.1), python3 (>= 3.5), ${misc:Pre-Depends}
Depends: ${shlibs:Depends}, ${misc:Depends}
";

fn run(rules: &str) -> Conversion {
    convert(rules, Path::new("debian/rules"), CONTROL)
}

/// `override_dh_virtualenv` with these arguments.
fn with(arguments: &str) -> Conversion {
    run(&format!("%:\n\tdh $@ --with python-virtualenv\n\noverride_dh_virtualenv:\n\tdh_virtualenv {arguments}\n"))
}

/// The fields without comments.
fn fields(conversion: &Conversion) -> Vec<&str> {
    conversion.venv.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

fn note<'a>(conversion: &'a Conversion, part: &str) -> &'a Diagnostic {
    let found = conversion.notes.iter().find(|note| note.message.contains(part));
    found.unwrap_or_else(|| panic!("no note about '{part}' in {:#?}", conversion.notes))
}

fn line(diagnostic: &Diagnostic) -> Option<usize> {
    diagnostic.location.as_ref().and_then(|location| location.line)
}

#[test]
fn the_plain_sequence_is_two_fields() {
    let conversion = run("#!/usr/bin/make -f\n\n%:\n\tdh $@ --with python-virtualenv\n");
    assert_eq!(fields(&conversion), ["Format: 1", "Prefix: /opt/venvs/tracker"]);
    assert!(conversion.venv.starts_with("# debian/tracker.venv: "));
    assert_eq!(line(note(&conversion, "add-on python-virtualenv")), Some(4));
}

#[test]
fn a_service_with_variables_and_continued_lines() {
    let conversion = run("\
#!/usr/bin/make -f
# builds the server
export DH_VIRTUALENV_INSTALL_ROOT=/usr/share/python
SNAKE = /usr/bin/python3.11
PIP_ARGS := --extra-pip-arg \"--no-binary=lxml\"
PIP_ARGS += --extra-pip-arg=--no-compile
EXTRA_REQUIREMENTS=--upgrade-pip --preinstall \"setuptools>=17.1\" --preinstall 'cffi<2'

%:
\tdh $@ --with=systemd,python-virtualenv

override_dh_virtualenv:
\tdh_virtualenv --python $(SNAKE) $(PIP_ARGS) ${EXTRA_REQUIREMENTS} \\
\t\t--builtin-venv \\
\t\t--install-suffix server \\
\t\t--extras 'postgres,redis' --extras=sentry \\
\t\t--requirements requirements/production.txt
");
    assert_eq!(
        fields(&conversion),
        [
            "Format: 1",
            "Requirements: requirements/production.txt",
            "Extras: postgres redis sentry",
            "Preinstall: cffi<2",
            "Python: /usr/bin/python3.11",
            "Prefix: /usr/share/python/server",
            "Bytecode: none",
        ]
    );
    assert_eq!(line(note(&conversion, "--builtin-venv")), Some(14));
    assert_eq!(line(note(&conversion, "Requirements names")), Some(17));
    assert!(note(&conversion, "'--no-binary'").hint.as_ref().is_some_and(|hint| hint.contains("'--no-binary lxml'")));
    note(&conversion, "--upgrade-pip");
    note(&conversion, "--preinstall setuptools>=17.1");
}

#[test]
fn a_script_in_place_of_dh_virtualenv_is_pointed_out() {
    let conversion = run("%:\n\tdh $@ --with python-virtualenv\n\noverride_dh_virtualenv:\n\t./debian/make-venv\n");
    assert_eq!(conversion.venv, "");
    assert_eq!(line(note(&conversion, "./debian/make-venv")), Some(5));
    assert!(conversion.notes.iter().any(|note| note.severity == crate::error::Severity::Error));
}

#[test]
fn the_workarounds_for_native_wheels_become_unnecessary() {
    let conversion = run("\
%:
\tdh $@ --with python-virtualenv

override_dh_strip:
\tdh_strip -X numpy -Xpandas

override_dh_shlibdeps:
\tdh_shlibdeps -X/numpy/.libs -l$(CURDIR)/debian/tracker/opt/venvs/tracker/lib

override_dh_strip_nondeterminism override_dh_dwz:
override_dh_makeshlibs: ; dh_makeshlibs -X.so

override_dh_auto_build:
\tmake assets
override_dh_pysupport:
override_dh_builddeb:
\tdh_builddeb -- -Zxz
override_dh_link:
\tdh_link /opt/venvs/tracker/bin/tracker usr/bin/tracker opt/venvs/tracker/bin/admin usr/bin/tracker-admin
");
    for (step, at) in [("dh_strip'", 4), ("dh_shlibdeps'", 7), ("dh_dwz'", 10), ("dh_makeshlibs'", 11)] {
        assert_eq!(line(note(&conversion, step)), Some(at), "{step}");
        assert!(note(&conversion, step).message.contains("not needed"));
    }
    note(&conversion, "override_dh_strip_nondeterminism");
    assert!(note(&conversion, "override_dh_auto_build").message.contains("runs again"));
    note(&conversion, "override_dh_pysupport");
    assert!(conversion.venv.contains("Compression: xz\n"));
    assert!(conversion.venv.contains("Commands: tracker\n tracker-admin=admin\n"));
}

#[test]
fn two_packages_get_two_files() {
    let control = "Source: suite\nBuild-Depends: debhelper-compat (= 13), dh-sequence-venv\n\n\
        Package: suite-web\nDepends: ${venv:Depends}\n\nPackage: suite-worker\nDepends: ${venv:Depends}\n\n\
        Package: suite-doc\nArchitecture: all\n";
    let rules = "\
override_dh_virtualenv:
\tdh_virtualenv -psuite-web --requirements web.txt -S
\tDH_VIRTUALENV_INSTALL_ROOT=/srv/apps dh_virtualenv --package=suite-worker -D worker --skip-install
";
    let conversion = convert(rules, Path::new("debian/rules"), control);
    let files: Vec<&str> = conversion.venv.split("\n\n").collect();
    assert_eq!(files.len(), 2);
    assert!(files[0].starts_with("# debian/suite-web.venv"));
    assert!(files[0].contains("System-Site-Packages: yes") && files[0].contains("Requirements: web.txt"));
    assert!(files[0].contains("Prefix: /opt/venvs/suite-web\n"));
    assert!(files[1].starts_with("# debian/suite-worker.venv"));
    assert!(files[1].contains("Project: none\nRequirements: worker/requirements.txt\n"));
    assert!(files[1].contains("Prefix: /srv/apps/suite-worker\n"));

    let rest = convert("override_dh_virtualenv:\n\tdh_virtualenv -N suite-doc\n", Path::new("debian/rules"), control);
    assert!(rest.venv.contains("suite-worker.venv") && !rest.venv.contains("suite-doc.venv"));
    note(&rest, "in each of 2 packages");
}

#[test]
fn the_control_file_is_looked_through() {
    let conversion = with("");
    let control = Path::new("debian/control");
    for (part, at) in [
        ("'dh-virtualenv (>= 1.0)' in Build-Depends", 2),
        ("'python3-venv' in Build-Depends", 4),
        ("lacks dh-sequence-venv", 2),
        ("lacks debhelper-compat", 2),
        ("'python3 (>= 3.5)'", 9),
        ("lacks ${venv:Depends}", 10),
    ] {
        let note = note(&conversion, part);
        assert_eq!(note.location, Some(Location::line(control, at)), "{part}");
    }
    let lines: Vec<_> = conversion.notes.iter().map(|note| note.location.clone()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn indexes_keep_their_order_and_secrets_are_noticed() {
    let conversion = with(
        "--extra-index-url https://b.invalid/simple --index-url=https://a.invalid/simple \
         --extra-pip-arg --extra-index-url --extra-pip-arg https://me:secret@c.invalid/simple",
    );
    let index = "Index: https://a.invalid/simple\n https://b.invalid/simple\n https://me:secret@c.invalid/simple\n";
    assert!(conversion.venv.contains(index), "{}", conversion.venv);
    note(&conversion, "a user name or a password");
    assert!(conversion.notes.iter().all(|note| !note.to_string().contains("secret")));

    let only_extra = with("--extra-index-url https://b.invalid/simple");
    assert!(!fields(&only_extra).iter().any(|field| field.starts_with("Index")));
    assert!(note(&only_extra, "in addition").hint.as_ref().is_some_and(|hint| hint.contains("first address")));
}

#[test]
fn what_only_the_build_knows_stays_a_comment() {
    let conversion =
        with("--python $(shell which python3 | head -1) --preinstall `cat pre.txt` --install-suffix $$SUFFIX");
    assert_eq!(fields(&conversion), ["Format: 1"]);
    assert!(conversion.venv.contains("# Python: $(shell which python3 | head -1)\n"), "{}", conversion.venv);
    assert!(conversion.venv.contains("# Prefix: /opt/venvs/$SUFFIX\n"));
    note(&conversion, "'$SUFFIX' of --install-suffix cannot be expanded");
}

#[test]
fn the_source_name_and_the_directory_are_known() {
    let conversion = run("\
PKG := $(shell dpkg-parsechangelog -SSource)
override_dh_virtualenv:
\tdh_virtualenv --install-suffix=$(PKG) --requirements $(CURDIR)/requirements/base.txt
");
    assert!(conversion.venv.contains("Prefix: /opt/venvs/tracker\n"));
    assert!(conversion.venv.contains("Requirements: requirements/base.txt\n"));
}

#[test]
fn a_conditional_reads_its_first_branch_and_says_so() {
    let conversion = run("\
ifeq ($(DEB_HOST_ARCH),amd64)
ARGS = --use-system-packages
else
ARGS = --python python3.9
endif
override_dh_virtualenv:
\tdh_virtualenv $(ARGS)
");
    assert_eq!(fields(&conversion), ["Format: 1", "Prefix: /opt/venvs/tracker", "System-Site-Packages: yes"]);
    assert_eq!(line(note(&conversion, "conditional")), Some(1));
}

#[test]
fn the_environment_counts_only_where_commands_see_it() {
    let exported =
        run("export DH_VIRTUALENV_INSTALL_ROOT = /srv\nexport DH_OPTIONS=-S\n%:\n\tdh $@ --with python-virtualenv\n");
    assert_eq!(fields(&exported), ["Format: 1", "Prefix: /srv/tracker", "System-Site-Packages: yes"]);
    let kept = run("DH_VIRTUALENV_INSTALL_ROOT = /srv\n%:\n\tdh $@ --with python-virtualenv\n");
    assert!(kept.venv.contains("Prefix: /opt/venvs/tracker\n"));
    note(&kept, "not exported");
    let own = run(
        "override_dh_virtualenv: export DH_VIRTUALENV_INSTALL_ROOT=/srv/own\noverride_dh_virtualenv:\n\tdh_virtualenv\n",
    );
    assert!(own.venv.contains("Prefix: /srv/own/tracker\n"), "{}", own.venv);
}

#[test]
fn options_of_dh_reach_dh_virtualenv_only_without_an_override() {
    let reached = run("%:\n\tdh $@ --with python-virtualenv -O--skip-install --parallel --install-suffix=x\n");
    assert_eq!(fields(&reached), ["Format: 1", "Project: none", "Prefix: /opt/venvs/x"]);
    let lost =
        run("%:\n\tdh $@ --with python-virtualenv --install-suffix=x\noverride_dh_virtualenv:\n\tdh_virtualenv\n");
    assert!(lost.venv.contains("Prefix: /opt/venvs/tracker\n"));
    note(&lost, "options of dh");
}

#[test]
fn the_build_system_has_its_own_variables() {
    let conversion = run("\
export DH_VIRTUALENV_ARGUMENTS := --no-site-packages --python python3.11
export DH_VIRTUALENV_INSTALL_SUFFIX = venv
export DH_REQUIREMENTS_FILE=deps.txt
export DH_PIP_EXTRA_ARGS = --no-index --find-links=wheels
export DH_UPGRADE_PIP=
%:
\tdh $@ --buildsystem=dh_virtualenv
");
    assert_eq!(
        fields(&conversion),
        [
            "Format: 1",
            "Requirements: deps.txt",
            "Python: python3.11",
            "Wheelhouse: wheels",
            "Prefix: /usr/share/python/venv",
            "Offline: yes",
        ]
    );
    note(&conversion, "--upgrade-pip-to");
}

#[test]
fn commands_beside_dh_virtualenv_are_named() {
    let conversion = run("\
override_dh_virtualenv:
\tdh_virtualenv
\tfind debian/tracker -name '*.pyc' -delete
\tdebian/tracker/opt/venvs/tracker/bin/python manage.py collectstatic --noinput
");
    assert_eq!(line(note(&conversion, "find debian/tracker")), Some(3));
    assert!(note(&conversion, "find debian").hint.as_ref().is_some_and(|hint| hint.contains("remove")));
    assert!(note(&conversion, "manage.py collec").hint.as_ref().is_some_and(|hint| hint.contains("After-Install")));
}

#[test]
fn what_dh_venv_would_refuse_is_not_written() {
    let conversion = with("--skip-install --extras tls --requirements /dev/null");
    assert_eq!(fields(&conversion), ["Format: 1", "Project: none", "Prefix: /opt/venvs/tracker"]);
    note(&conversion, "--extras had no effect");
    note(&conversion, "--requirements /dev/null is dropped");
}

#[test]
fn rules_without_dh_virtualenv_are_an_error() {
    let conversion = run("%:\n\tdh $@\n");
    assert_eq!(conversion.venv, "");
    note(&conversion, "used for no package");
}

/// Spelling, then what must come out: a part of the file, or of a note.
const EXPECTED: &[(Meaning, &str, Result<&str, &str>)] = &[
    (Meaning::Package, "tracker", Ok("# debian/tracker.venv")),
    (Meaning::NoPackage, "other", Err("has no package other")),
    (Meaning::Verbose, "", Err("DH_VERBOSE=1")),
    (Meaning::Setuptools, "", Err("Keep: setuptools")),
    (Meaning::ExtraIndexUrl, "https://x.invalid/", Ok("#  https://x.invalid/")),
    (Meaning::Preinstall, "cython", Ok("Preinstall: cython")),
    (Meaning::Extras, "tls", Ok("Extras: tls")),
    (Meaning::PipTool, "pip-faster", Err("Installer: uv")),
    (Meaning::UpgradePip, "", Err("no pip is in the venv")),
    (Meaning::UpgradePipTo, "22", Err("no pip is in the venv")),
    (Meaning::ExtraPipArg, "--no-compile", Ok("Bytecode: none")),
    (Meaning::ExtraVirtualenvArg, "--system-site-packages", Ok("System-Site-Packages: yes")),
    (Meaning::IndexUrl, "https://x.invalid/", Ok("Index: https://x.invalid/")),
    (Meaning::Python, "python3.11", Ok("Python: python3.11")),
    (Meaning::BuiltinVenv, "", Err("--builtin-venv is dropped")),
    (Meaning::SourceDirectory, "./server/", Ok("Project: server\n")),
    (Meaning::NoScripts, "", Err("no maintainer scripts")),
    (Meaning::UseSystemPackages, "", Ok("System-Site-Packages: yes")),
    (Meaning::SkipInstall, "", Ok("Project: none")),
    (Meaning::InstallSuffix, "apps/x", Ok("Prefix: /opt/venvs/apps/x")),
    (Meaning::Requirements, "r.txt", Ok("Requirements: r.txt")),
    (Meaning::SetuptoolsTest, "", Ok("Test: python -m unittest")),
    (Meaning::Bundle, "x", Err("-O is dropped")),
    (Meaning::Arch, "x", Err("ignored both")),
    (Meaning::Indep, "", Err("dh tells dh_venv")),
    (Meaning::NoTest, "", Err("--no-test is dropped")),
    (Meaning::Version, "", Err("--version makes no venv")),
    (Meaning::Help, "", Err("--help makes no venv")),
];

#[test]
fn every_option_has_an_answer_in_every_spelling() {
    for (long, short, takes, meaning) in OPTIONS {
        let (_, value, expected) = EXPECTED
            .iter()
            .find(|(known, ..)| known == meaning)
            .unwrap_or_else(|| panic!("{meaning:?} is not covered"));
        let mut spellings = Vec::new();
        if !long.is_empty() {
            let separators: &[&str] = if *takes { &["=", " "] } else { &[""] };
            spellings.extend(separators.iter().map(|separator| format!("--{long}{separator}{value}")));
            spellings.push(format!("-O--{long}{}{value}", if *takes { "=" } else { "" }));
        }
        if let Some(letter) = short {
            spellings.push(format!("-{letter}{value}"));
            spellings.push(format!("-{letter} {value}"));
        }
        for spelling in spellings {
            let conversion = with(&spelling);
            let notes =
                conversion.notes.iter().map(|note| format!("{note}\n{}\n", note.hint.clone().unwrap_or_default()));
            let notes: String = notes.collect();
            let spoken = match expected {
                Ok(part) => conversion.venv.contains(part),
                // -h and --help, -v and --verbose: the note repeats the spelling.
                Err(part) => notes.contains(part) || short.is_some() && notes.contains(&part.replace("--help", "-h")),
            };
            assert!(spoken, "{spelling}: {expected:?} missing in\n{}\n{notes}", conversion.venv);
            assert!(!notes.contains("is not understood"), "{spelling}:\n{notes}");
        }
    }
}

#[test]
fn the_list_of_options_is_that_of_version_1_2_2() {
    let long: Vec<&str> = OPTIONS.iter().map(|(long, ..)| *long).filter(|long| !long.is_empty()).collect();
    assert_eq!(
        long.join(" "),
        "package no-package verbose setuptools extra-index-url preinstall extras pip-tool upgrade-pip upgrade-pip-to \
         extra-pip-arg extra-virtualenv-arg index-url python builtin-venv sourcedirectory noscripts use-system-packages \
         skip-install install-suffix requirements setuptools-test arch indep pypi-url no-test version help"
    );
    let short: String = OPTIONS.iter().filter_map(|(_, short, ..)| *short).collect();
    assert_eq!(short, "pNvsDnSOaih");
}

#[test]
fn options_cut_short_are_known_and_others_are_named() {
    let conversion = with("--skip --requ=a.txt --extra-p=--pre --frobnicate --extra x");
    assert!(conversion.venv.contains("Project: none\nRequirements: a.txt\n"));
    note(&conversion, "'--pre' has no field");
    assert!(note(&conversion, "'--frobnicate' is not understood").message.contains("no such option"));
    assert!(note(&conversion, "'--extra' is not understood").message.contains("several"));
}

#[test]
fn pips_arguments_have_an_answer_each() {
    for (argument, expected) in [
        ("--no-binary :all:", "write the line '--no-binary :all:'"),
        ("-c constraints.txt", "write the line '--constraint constraints.txt'"),
        ("--pre", "write the line '--pre'"),
        ("--no-cache-dir", "checked by hash"),
        ("--no-deps", "every distribution"),
        ("--ignore-installed", "made anew"),
        ("-e", "build directory"),
        ("--new-in-pip", "requirements file"),
        ("-f https://wheels.invalid/", "write the line '--find-links https://wheels.invalid/'"),
        ("--global-option=--with-x", "behind the requirement"),
    ] {
        let conversion = with(&format!("--extra-pip-arg '{argument}'"));
        let found = conversion.notes.iter().any(|note| note.hint.as_ref().is_some_and(|hint| hint.contains(expected)));
        assert!(found, "{argument}: {:#?}", conversion.notes);
    }
}

#[test]
fn what_steers_a_terminal_is_written_out() {
    let rules = "override_dh_virtualenv:\n\tdh_virtualenv --requirements a\u{7f}.txt\n";
    assert!(run(rules).venv.contains("Requirements: a\\x7f.txt\n"), "{}", run(rules).venv);
}

#[test]
fn a_value_of_two_lines_is_left_to_its_author() {
    let venv = run("override_dh_virtualenv:\n\tdh_virtualenv --python \"\\\n=\"\n").venv;
    assert!(venv.contains("# Python: \n# =\n"), "{venv}");
    let venv = run("override_dh_virtualenv:\n\tdh_virtualenv --preinstall= --preinstall=\n").venv;
    assert!(!venv.contains("Preinstall"), "{venv}");
}

#[test]
fn odd_input_never_panics() {
    for rules in [
        "",
        "\t",
        "a:\\\n\\\n\t$(",
        "override_dh_virtualenv:\n\tdh_virtualenv --python",
        "A=$(A)\nx:\n\tdh_virtualenv $(A) '",
        "x:\n\tdh_virtualenv \"é$",
    ] {
        let _ = run(rules);
        let _ = convert(rules, Path::new(""), "");
    }
}
