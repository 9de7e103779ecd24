//! The rows of the contract test: source packages and command lines.

#[path = "rows_files.rs"]
mod rows_files;

use rows_files::{configs, control, outputs};

/// Rows, combinations (a row and a setting), and those that differ on purpose.
pub const TOTALS: (usize, usize, usize) = (521, 1546, 32);

/// Which debhelper answers, and the compat level of `@LEVEL@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// debhelper 13 of this machine, level 13.
    Old13,
    /// debhelper 14, level 13.
    New13,
    /// debhelper 14, level 14.
    New14,
}

impl Setting {
    pub fn newer(self) -> bool {
        self != Self::Old13
    }

    pub fn level(self) -> &'static str {
        if self == Self::New14 { "14" } else { "13" }
    }
}

const OLD: &[Setting] = &[Setting::Old13];
const NEW: &[Setting] = &[Setting::New13, Setting::New14];
const ALL: &[Setting] = &[Setting::Old13, Setting::New13, Setting::New14];
const LEVEL_14: &[Setting] = &[Setting::New14];

#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    /// File under tests/contract/control.
    pub control: &'static str,
    /// Replacements in it.
    pub edits: Vec<(String, String)>,
    pub without_control: bool,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, Option<String>)>,
    /// Files under debian/: name, text, mode.
    pub files: Vec<(String, String, u32)>,
    pub settings: &'static [Setting],
    /// How ours ends where it differs on purpose, and why.
    pub differs: Option<(&'static str, &'static str)>,
}

impl Row {
    fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }
    fn edit(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }
    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), Some(value.to_owned())));
        self.name.push_str(&format!(" {name}={value}"));
        self
    }
    fn without(mut self, names: &[&str]) -> Self {
        self.environment.extend(names.iter().map(|name| ((*name).to_owned(), None)));
        self.name.push_str(&format!(" without {}", names.join(" ")));
        self
    }
    fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned(), 0o644));
        self.name.push_str(&format!(" +{name} {text:?}"));
        self
    }
    fn program(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned(), 0o755));
        self.name.push_str(&format!(" +{name}(x)"));
        self
    }
    fn only(mut self, settings: &'static [Setting]) -> Self {
        self.settings = settings;
        self
    }
    fn differs(mut self, class: &'static str, why: &'static str) -> Self {
        self.differs = Some((class, why));
        self
    }
    fn argument(mut self, word: &str) -> Self {
        self.arguments.push(word.to_owned());
        self.name.push_str(&format!(" '{word}'"));
        self
    }
}

/// A row: the control file, and the command line split at blanks.
fn row(control: &'static str, arguments: &str) -> Row {
    Row {
        name: format!("{control}: {arguments}"),
        control,
        edits: Vec::new(),
        without_control: false,
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        environment: Vec::new(),
        files: Vec::new(),
        settings: ALL,
        differs: None,
    }
}

fn each(control: &'static str, command_lines: &[&str]) -> Vec<Row> {
    command_lines.iter().map(|arguments| row(control, arguments)).collect()
}

pub fn all() -> Vec<Row> {
    [options(), selection(), environment(), profiles(), architectures(), levels(), control(), configs(), outputs()]
        .concat()
}

/// Option words: Getopt::Long with bundling.
fn options() -> Vec<Row> {
    let mut rows = each(
        "one",
        &[
            "",
            "-v",
            "--verbose",
            "--v",
            "+v",
            "-v +n",
            "-vn",
            "-vno",
            "-nd",
            "--noscripts",
            "--no-scripts",
            "--onlyscripts",
            "--only-scripts",
            "-o",
            "-A",
            "--all",
            "--no-act",
            "--no-act -v",
            "-X.svn",
            "-X .svn -XCVS",
            "--exclude=.pyc --exclude CVS",
            "-vX.pyc",
            "-X.svn -X",
            "--exclude=",
            "-V",
            "-Vfoo",
            "-V foo",
            "-V -v",
            "-V - word",
            "-V +v",
            "-V --",
            "-vV",
            "-vVn",
            "-uone",
            "-u one -u two",
            "-uone -- two --three",
            "-- two",
            "-- -v",
            "-v -- -v",
            "word",
            "word -v other",
            "- -v",
            "--name=web",
            "--name web",
            "--mainpackage=notes",
            "--error-handler=oops",
            "--tmpdir=debian/tmp",
            "-Pdebian/other",
            "-P debian/other",
            "--tmpdir=",
            "--dbg-package=notes",
            // Own options of the helper, in every spelling.
            "--index=x",
            "--index x",
            "--index=x --index=y",
            "--index",
            "--index --quick",
            "-q",
            "-vq",
            "-qvX.svn",
            "--quick=1",
            "--extra=a --extra b",
            "--level",
            "--level=3",
            "--level 3",
            "--level --quick",
            "--level=",
            // Unknown, and abbreviated.
            "--unknown",
            "--unknown=1",
            "-v --unknown",
            "-Z",
            "-vZ",
            "-Zv",
            "--verb",
            "--pack=notes",
            "--ind=x",
            "--verbose=1",
            "--=x",
            "+",
            "+unknown -v",
            "---v",
            "-s",
            "--same-arch",
            "-p",
            "--package=",
            "-p -v",
            // -O: one word alone, dropped where unknown.
            "-O-v",
            "-O -v",
            "-O--verbose",
            "-O--foo=1",
            "-O--foo=1 -v",
            "-O-X.svn",
            "-O--buildsystem=none",
            "-O--index=x",
            "-O--index",
            "-O-q --index=y",
            "-O-vZ",
            "-O-vq",
            "-Oword",
            "-O--",
            "-O-O-v",
            "-O-O--foo",
            "-O-p",
            "-O--package=unknown",
            "-O-s",
            "-O-Nunknown",
            "-O",
            "-O-X.svn -XCVS",
            "-O--index=late --index=early",
            "-O-uone -- two",
            "-O--no-act",
            "-vO-n",
        ],
    );
    rows.push(row("one", "-X").argument("a b"));
    rows.push(
        row("one", "-u")
            .argument(" one  two ")
            .named("one: -u with blanks")
            .differs("done", "an empty first parameter helps nobody"),
    );
    rows.push(row("one", "-u").argument(""));
    rows.push(row("one", "-V").argument(""));
    rows.push(row("one", "--index").argument("a b"));
    rows.push(row("one", "--index").argument(""));
    rows.push(row("one", "--dbg-package=unknown").only(NEW));
    rows.push(
        row("one", "--dbg-package=unknown")
            .only(OLD)
            .named("one: --dbg-package=unknown, debhelper 13")
            .differs("error", "debhelper 14 looks, 13 did not"),
    );
    rows.push(row("one", "-h").differs("answered", "help is no failure"));
    rows.push(row("one", "--help -v").differs("answered", "help is no failure"));
    rows.push(row("one", "--version").differs("answered", "debhelper's commands have no --version"));
    rows.push(row("one", "--mainpackage=unknown").differs("error", "a main package that is not there is a mistake"));
    rows
}

/// -a, -i, -p, -N, --remaining-packages.
fn selection() -> Vec<Row> {
    let mut rows = each(
        "several",
        &[
            "",
            "-v",
            "-a",
            "-i",
            "-ai",
            "-a -i",
            "-i -a -v",
            "--arch",
            "--indep",
            "-a -a",
            "-pnotes",
            "-p notes-doc",
            "--package=notes-doc",
            "--package notes-doc --package notes",
            "-pnotes-doc -pnotes -pnotes-doc",
            "-vpnotes",
            "-a -pnotes-doc",
            "-Nnotes",
            "-N notes -N notes-doc",
            "--no-package=notes",
            "-a -Nnotes",
            "-i -Nnotes",
            "-i -Nnotes-doc -Nnotes-common",
            "-pnotes -Nnotes",
            "-punknown",
            "-Nunknown",
            "-pnotes-arm",
            "-pnotes-arm -pnotes",
            "-pnotes-arm -a",
            "-pnotes-boot",
            "-pnotes-boot -i",
            "-Nnotes-arm",
            "-O-a",
            "-O-i -a",
            "-O-pnotes",
            "-O-Nnotes",
            "-O--package=notes-doc -pnotes",
            "-Pdebian/tmp",
            "-Pdebian/tmp -pnotes",
            "--tmpdir=debian/tmp -i -Nnotes-doc",
            "--mainpackage=notes-doc",
            "--mainpackage=notes-arm -i",
            "--dbg-package=notes-doc",
            "--remaining-packages",
        ],
    );
    let log = "dh_first\ndh_oracle\n";
    rows.extend([
        row("several", "--remaining-packages").file("notes.debhelper.log", log),
        row("several", "-a --remaining-packages").file("notes.debhelper.log", log),
        row("several", "-i --remaining-packages").file("notes.debhelper.log", log),
        row("several", "-O--remaining-packages").file("notes-doc.debhelper.log", log),
        row("several", "--remaining-packages").file("notes.debhelper.log", "dh_oracle2\n dh_oracle\n"),
        row("several", "-pnotes --remaining-packages").file("notes.debhelper.log", log),
        row("several", "-a").file("notes.debhelper.log", log),
        row("one", "--remaining-packages").file("notes.debhelper.log", log),
        row("one", "-i"),
        row("one", "-i -v"),
        row("one", "-ai"),
        row("one", "-i -pnotes"),
        row("one", "-Nnotes"),
        row("one", "")
            .edit("Architecture: any", "Architecture: armel")
            .named("one: nothing for this architecture")
            .differs("nothing", "debhelper goes on with no package where no option was given"),
        row("one", "-v")
            .edit("Architecture: any", "Architecture: armel")
            .named("one: -v, nothing for this architecture"),
        row("one", "-a").edit("Architecture: any", "Architecture: all").named("one: -a, all is indep"),
    ]);
    rows
}

/// DH_OPTIONS, DH_INTERNAL_OPTIONS, DH_INTERNAL_OVERRIDE and the other variables.
fn environment() -> Vec<Row> {
    let dh_options = |arguments, value: &str| row("several", arguments).env("DH_OPTIONS", value);
    let internal = |arguments, value: &str| row("several", arguments).env("DH_INTERNAL_OPTIONS", value);
    vec![
        dh_options("", "-pnotes"),
        dh_options("", "  -pnotes   -v "),
        dh_options("-pnotes-doc", "-pnotes"),
        dh_options("-v", "-a"),
        dh_options("-i", "-a"),
        dh_options("", "-Nnotes"),
        dh_options("", "--unknown -v"),
        dh_options("", "-Z"),
        dh_options("-pnotes", "-punknown"),
        dh_options("", "-punknown"),
        dh_options("", "-Nunknown -X.svn"),
        dh_options("", "-O-v -O--foo"),
        dh_options("", "-uone -- two"),
        dh_options("-utwo", "-uone"),
        dh_options("-- three", "-uone -- two"),
        dh_options("", "--index=x word"),
        dh_options("--index=y", "--index=x"),
        dh_options("", "-n"),
        dh_options("", "-X.svn"),
        dh_options("", "-s"),
        dh_options("-a", "--name=web"),
        dh_options("word", ""),
        dh_options("-Pdebian/tmp", "-pnotes"),
        internal("", "-a"),
        internal("", "-i"),
        internal("-a", "-a"),
        internal("-a", "-i"),
        internal("-pnotes", "-i"),
        internal("-pnotes-doc", "-i"),
        internal("", "-pnotes"),
        internal("-a", "-pnotes"),
        internal("", "-pnotes\x1e-pnotes-doc"),
        internal("-i", "-pnotes\x1e-pnotes-doc"),
        internal("", "-Nnotes"),
        internal("-a", "-Nnotes\x1e-Nnotes-doc"),
        internal("", "-pnotes-arm"),
        internal("-pnotes", "-pnotes-arm"),
        internal("-pnotes-arm", "-pnotes-arm"),
        internal("-pnotes-arm", "-pnotes-boot\x1e-i"),
        internal("", "-punknown"),
        internal("", "--unknown\x1e-v"),
        internal("", "-O--foo=1\x1e-O-v"),
        internal("", "-O--index=a b"),
        internal("", "-v\x1e-X.svn\x1e--no-scripts"),
        internal("", "-uone\x1e--\x1etwo"),
        internal("-- three", "-uone\x1e--\x1etwo"),
        internal("", "-a\x1e").named("several: an empty word at the end"),
        internal("word", "").named("several: DH_INTERNAL_OPTIONS empty"),
        internal("-v", "-i").env("DH_OPTIONS", "-pnotes"),
        internal("", "-a").env("DH_OPTIONS", "-X.svn -- x"),
        internal("", "-uone\x1e--\x1etwo").env("DH_OPTIONS", "-v"),
        internal("--remaining-packages", "-a").file("notes.debhelper.log", "dh_oracle\n"),
        internal("", "--remaining-packages\x1e-i").file("notes-doc.debhelper.log", "dh_oracle\n"),
        row("one", "").env("DH_INTERNAL_OPTIONS", "-i"),
        row("one", "-a").env("DH_INTERNAL_OPTIONS", "-i"),
        row("one", "-pnotes").env("DH_INTERNAL_OPTIONS", "-i"),
        row("several", "").env("DH_INTERNAL_OVERRIDE", "dh_oracle"),
        row("several", "-a").env("DH_INTERNAL_OVERRIDE", "dh_other"),
        row("several", "-pnotes").env("DH_INTERNAL_OVERRIDE", "1").file("notes.debhelper.log", "dh_first\n"),
        row("several", "-pnotes").env("DH_INTERNAL_OVERRIDE", "0"),
        row("several", "-pnotes").env("DH_INTERNAL_OVERRIDE", ""),
        row("several", "--no-act").env("DH_INTERNAL_OVERRIDE", "dh_oracle"),
        row("several", "--unknown").env("DH_INTERNAL_OVERRIDE", "dh_oracle"),
        row("several", "-pnotes-arm").env("DH_INTERNAL_OVERRIDE", "dh_oracle"),
        row("one", "").env("DH_VERBOSE", "1"),
        row("one", "").env("DH_VERBOSE", ""),
        row("one", "").env("DH_QUIET", "1"),
        row("one", "").env("DH_QUIET", "").env("DH_VERBOSE", ""),
        row("one", "-v").env("DH_QUIET", "1"),
        row("one", "").env("DH_QUIET", "1").env("DH_VERBOSE", "1"),
        row("one", "").env("DEB_BUILD_OPTIONS", "terse nocheck"),
        row("one", "").env("DEB_BUILD_OPTIONS", "parallel=4 terse"),
        row("one", "").env("DEB_BUILD_OPTIONS", "terse=1 noterse"),
        row("one", "").env("DH_NO_ACT", "1"),
        row("one", "").env("DH_NO_ACT", ""),
        row("one", "").env("DH_ALWAYS_EXCLUDE", "CVS:.svn"),
        row("one", "-X.pyc").env("DH_ALWAYS_EXCLUDE", "CVS"),
        row("one", "").env("DH_ALWAYS_EXCLUDE", "a b"),
        row("one", "").env("DH_ALWAYS_EXCLUDE", ""),
    ]
}

/// Build-Profiles.
fn profiles() -> Vec<Row> {
    let active = |arguments, value: &str| row("several", arguments).env("DEB_BUILD_PROFILES", value);
    let formula = |value: &str, profiles: &str| {
        row("several", "-v")
            .edit("Build-Profiles: <!nocheck>", &format!("Build-Profiles: {value}"))
            .env("DEB_BUILD_PROFILES", profiles)
            .named(&format!("profiles: {value} with '{profiles}'"))
    };
    vec![
        active("", "nocheck"),
        active("-a", "nocheck"),
        active("-pnotes-test", "nocheck"),
        active("-pnotes-test -pnotes", "nocheck"),
        active("", "stage1"),
        active("-i", "stage1 nocheck"),
        active("", "nodoc"),
        active("", "nodoc pkg.notes.all"),
        active("", "  noextra   nocheck "),
        active("", "other"),
        active("", ""),
        formula("<!a !b>", "a"),
        formula("<!a !b>", "b"),
        formula("<!a !b>", "c"),
        formula("<a b>", "a"),
        formula("<a b>", "b a"),
        formula("<a> <b>", "b"),
        formula("<a>  <!b>", ""),
        formula("<a><b>", "a"),
        formula("< a >", "a"),
        formula("a", "a"),
        formula("<!a> <!b> <c>", "a b"),
        formula("<!a> <!b> <c>", "a b c"),
        formula("<!!a>", "a"),
        formula("<a !a>", "a"),
        formula("<>", "a"),
        formula("<a>\n <b>", "b"),
    ]
}

/// The Architecture field, DEB_HOST_*, DEB_TARGET_*, X-DH-Build-For-Type.
fn architectures() -> Vec<Row> {
    const HOST: &[&str] =
        &["DEB_HOST_ARCH", "DEB_HOST_ARCH_OS", "DEB_HOST_MULTIARCH", "DEB_TARGET_ARCH", "DEB_TARGET_ARCH_OS"];
    let mut rows: Vec<Row> = [
        "amd64",
        "i386",
        "x32",
        "arm64",
        "armhf",
        "armel",
        "riscv64",
        "kfreebsd-amd64",
        "hurd-amd64",
        "musl-linux-amd64",
        "uclibc-linux-armel",
        "mips64el",
        "pdp11",
    ]
    .iter()
    .map(|architecture| row("wildcards", "-v").env("DEB_HOST_ARCH", architecture))
    .collect();
    rows.extend([
        row("wildcards", "-i"),
        row("wildcards", "-a"),
        row("wildcards", "-a -v").without(HOST),
        row("several", "-v").without(HOST),
        row("several", "").env("DEB_HOST_ARCH", "armhf"),
        row("several", "-pnotes-amd64").env("DEB_HOST_ARCH", "armhf"),
        row("several", "-v").env("DEB_HOST_ARCH", ""),
        row("target", "-v"),
        row("target", "-v").env("DEB_TARGET_ARCH", "arm64"),
        row("target", "-v").env("DEB_TARGET_ARCH", "riscv64"),
        row("target", "-pcross-target").env("DEB_TARGET_ARCH", "riscv64"),
        row("target", "-a").env("DEB_HOST_ARCH", "arm64").env("DEB_TARGET_ARCH", "riscv64"),
        row("target", "-v").without(HOST),
        row("target", "")
            .edit("X-DH-Build-For-Type: target", "X-DH-Build-For-Type: build")
            .named("target: build is no type"),
    ]);
    rows
}

/// Where the compat level comes from.
fn levels() -> Vec<Row> {
    const RELATION: &str = "debhelper-compat (= @LEVEL@), ";
    let relation = |text: &str| row("one", "-v").edit(RELATION, &format!("{text}, ")).named(&format!("level: {text}"));
    let field = |text: &str| {
        row("one", "-v").edit(RELATION, "").edit("Section: web", text).named(&format!("level: {text}")).only(NEW)
    };
    let only_13_14 = "the helpers here know levels 13 and 14";
    vec![
        relation("debhelper-compat (=@LEVEL@)"),
        relation("debhelper-compat(= @LEVEL@)"),
        relation("debhelper-compat  ( =  @LEVEL@ )"),
        relation("debhelper (>= 12), debhelper-compat (= @LEVEL@)"),
        relation("debhelper-compat (= @LEVEL@),\n "),
        relation("debhelper-compat-foo (= 3), debhelper-compat (= @LEVEL@)"),
        relation("debhelper-compat (>= 13)"),
        relation("debhelper-compat"),
        relation("debhelper-compat (= 13) | debhelper"),
        relation("debhelper-compat (= 13) [amd64]"),
        relation("debhelper-compat (= 13) <!nocheck>"),
        relation("debhelper-compat (= 13.1)"),
        relation("debhelper-compat (= 13~)"),
        relation("debhelper-compat (= 1:13)"),
        relation("debhelper-compat (= 13), debhelper-compat (= 13)"),
        relation("debhelper-compat (= 13), debhelper-compat (= 14)"),
        relation("debhelper-compat (= 6)"),
        relation("debhelper-compat (= 99)"),
        relation("debhelper-compat (= 12)").differs("error", only_13_14),
        relation("debhelper-compat (= 15)").differs("error", only_13_14),
        relation("debhelper (>= 13)"),
        row("one", "-v").edit("Build-Depends:", "Build-Depends-Arch:").named("level in Build-Depends-Arch"),
        row("one", "-v").edit("Build-Depends:", "Build-Depends-Indep:").named("level in Build-Depends-Indep"),
        row("one", "-v").edit("Build-Depends:", "build-depends:").named("level in build-depends"),
        row("one", "-v").edit("Build-Depends:", "X-Nothing:").named("no Build-Depends"),
        row("one", "-v").edit(RELATION, "").file("compat", "13\n"),
        row("one", "-v").edit(RELATION, "").file("compat", "  13 \nmore\n"),
        row("one", "-v").edit(RELATION, "").file("compat", "13"),
        row("one", "-v").edit(RELATION, "").file("compat", "14\n").only(NEW),
        row("one", "-v")
            .edit(RELATION, "")
            .file("compat", "14\n")
            .named("debian/compat 14, debhelper 13")
            .only(OLD)
            .differs("error", "debhelper 14 refuses level 14 in debian/compat, 13.11 took it as experimental"),
        row("one", "-v").edit(RELATION, "").file("compat", "15\n").only(NEW),
        row("one", "-v").edit(RELATION, "").file("compat", "").named("debian/compat is empty"),
        row("one", "-v").edit(RELATION, "").file("compat", "\n13\n").named("debian/compat begins with an empty line"),
        row("one", "-v").edit(RELATION, "").file("compat", "thirteen\n").named("debian/compat has a word"),
        row("one", "-v").edit(RELATION, "").file("compat", "-13\n").named("debian/compat has a sign"),
        row("one", "-v").file("compat", "13\n").named("level in both files"),
        row("one", "").file("compat", "13\n").named("level in both files, no option"),
        field("X-DH-Compat: @LEVEL@"),
        field("x-dh-compat:@LEVEL@"),
        field("X-DH-Compat: thirteen"),
        field("X-DH-Compat: 13\n 14"),
        field("X-DH-Compat:"),
        field("X-DH-Compat: 13").file("compat", "13\n").named("X-DH-Compat and debian/compat"),
        row("one", "-v").edit("Section: web", "X-DH-Compat: 13").named("X-DH-Compat and the relation").only(NEW),
        row("one", "-v").env("DH_COMPAT", "13"),
        row("one", "-v").env("DH_COMPAT", "14"),
        row("one", "").env("DH_COMPAT", "14"),
        row("one", "-v").env("DH_COMPAT", ""),
        row("one", "-v").env("DH_COMPAT", "x"),
        row("one", "-v").env("DH_COMPAT", "99"),
        row("one", "-v").env("DH_COMPAT", "6"),
        row("one", "-v").env("DH_COMPAT", "12").differs("error", only_13_14),
        row("one", "").edit(RELATION, "").env("DH_COMPAT", "13").named("DH_COMPAT alone, no option"),
        row("one", "-v")
            .edit(RELATION, "")
            .env("DH_COMPAT", "13")
            .named("DH_COMPAT alone")
            .differs("error", "debhelper takes it with an option and refuses it without"),
    ]
}
