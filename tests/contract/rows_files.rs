//! Rows about the files under debian/: control, config files, what is written.

use super::{LEVEL_14, NEW, Row, row};

/// debian/control itself: what is accepted, what is an error.
pub fn control() -> Vec<Row> {
    let broken =
        |name: &str, from: &str, to: &str| row("several", "-v").edit(from, to).named(&format!("control: {name}"));
    let mut missing = row("one", "-v").named("control: not there");
    missing.without_control = true;
    let mut missing_without_option = row("one", "").named("control: not there, no option");
    missing_without_option.without_control = true;
    vec![
        missing,
        missing_without_option,
        broken("a duplicate field in the source stanza", "Section: web", "Section: web\nsection: net"),
        broken("a duplicate field in a package", "Architecture: any", "Architecture: any\narchitecture: all"),
        broken("a duplicate Build-Depends", "Section: web", "build-depends: x\nSection: web"),
        broken("a duplicate package", "package: notes-doc", "Package: notes"),
        broken("two Package-Types", "architecture: all", "architecture: all\nPackage-Type: deb\nXC-Package-Type: udeb"),
        broken(
            "XB-Package-Type twice",
            "architecture: all",
            "architecture: all\nXB-Package-Type: deb\nX-Package-Type: udeb",
        ),
        broken("one XC-Package-Type", "architecture: all", "architecture: all\nXC-Package-Type: udeb"),
        broken(
            "XD-Package-Type is another field",
            "architecture: all",
            "architecture: all\nXD-Package-Type: a\nPackage-Type: deb",
        ),
        broken("no Package", "package: notes-doc", "Pakage: notes-doc"),
        broken("an empty Package", "package: notes-doc", "package:"),
        broken("an upper-case package", "package: notes-doc", "package: Notes-doc"),
        broken("a package of one letter", "package: notes-doc", "package: n"),
        broken("a package with an underscore", "package: notes-doc", "package: notes_doc"),
        broken("a package with plus and dot", "package: notes-doc", "package: 0notes+x.1"),
        broken("no Source", "Source: notes", "Sorce: notes"),
        broken("an empty Source", "Source: notes", "Source:"),
        broken("a source with upper case", "Source: notes", "Source: Notes"),
        broken("a Source that is not the first field", "Source: notes\nSection: web", "Section: web\nSource: notes"),
        broken("a line without a colon", "Section: web", "Section web"),
        broken("a line without a colon in a package", "architecture: all", "architecture all"),
        broken("a field name with a blank", "architecture: all", "archi tecture: all"),
        broken("a field name that begins with '-'", "architecture: all", "architecture: all\n-X: y"),
        broken("a continuation line before the first stanza", "Source: notes", " x\nSource: notes"),
        broken("a continuation line between stanzas", "# A comment between stanzas.", " x"),
        broken("an indented comment between stanzas", "# A comment between stanzas.", " # x"),
        broken("an indented comment in Build-Depends", "# A comment inside a field.", "  # x"),
        broken("an indented comment in a package", " .\n Text.", " # x\n Text."),
        broken("blank lines with white space", "# A comment before the first stanza.\n\n", "  \n\t\n"),
        broken("a separating line with white space", "# A comment between stanzas.", "  \t "),
        broken("carriage returns", "Section: web", "Section: web\r"),
        broken("no colon space", "Architecture: any", "Architecture:any"),
        broken("a value on the next line", "Architecture: any", "Architecture:\n any"),
        broken("a comment inside Architecture", "Architecture: any", "Architecture:\n# here\n any"),
        broken("trailing white space", "Architecture: any", "Architecture:  any \t"),
        broken("no line break at the end", "# A comment after the last stanza.\n", "X-Last: yes"),
        broken("a comment without a line break at the end", "# A comment after the last stanza.\n", "# end"),
        broken("blank lines at the end", "# A comment after the last stanza.\n", "\n\n\n"),
        broken("Latin letters", "Description: its manual", "Description: ihr Führer"),
    ]
}

/// Which config file counts, and its text.
pub fn configs() -> Vec<Row> {
    let several = |arguments, file: &str| row("several", arguments).file(file, "Format: 1\n");
    let text = |text: &str| row("one", "-v").file("notes.venv", text).named(&format!("config: {text:?}"));
    let run = |name: &str, script: &str| {
        row("one", "-v")
            .program("notes.venv", &format!("#!/bin/sh\n{script}\n"))
            .named(&format!("config program: {name}"))
    };
    let mut rows = vec![
        several("", "notes.venv"),
        several("", "venv"),
        several("", "venv").file("notes.venv", "Format: 2\n"),
        several("", "notes-doc.venv").file("venv", "Format: 2\n"),
        several("--mainpackage=notes-doc", "venv"),
        several("-i", "venv"),
        several("-pnotes", "venv"),
        row("one", "").file("venv", "Format: 1\n"),
        several("-v", "notes.venv.amd64").file("notes.venv", "Format: 2\n"),
        several("-v", "notes.venv.linux").file("notes.venv", "Format: 2\n"),
        several("-v", "notes.venv.linux").file("notes.venv.amd64", "Format: 2\n"),
        several("-v", "notes.venv.armhf").file("venv", "Format: 2\n"),
        several("-v", "notes.venv.amd64"),
        several("-v", "notes.venv.armhf").env("DEB_HOST_ARCH", "armhf"),
        several("-v", "notes.venv.hurd").env("DEB_HOST_ARCH", "hurd-amd64").env("DEB_HOST_ARCH_OS", "hurd"),
        several("-v", "venv.amd64"),
        several("-v", "notes-doc.venv.amd64"),
        several("-v", "notes.venv.amd64").without(&["DEB_HOST_ARCH", "DEB_HOST_ARCH_OS"]),
        several("-v", "notes.venv.debhelper"),
        row("target", "-v").file("cross-host.venv.riscv64", "a\n").env("DEB_TARGET_ARCH", "riscv64"),
        row("target", "-v").file("cross-target.venv.riscv64", "a\n").env("DEB_TARGET_ARCH", "riscv64"),
        row("target", "-v")
            .file("cross-target.venv.linux", "a\n")
            .file("cross-target.venv.hurd", "b\n")
            .env("DEB_TARGET_ARCH", "riscv64")
            .env("DEB_TARGET_ARCH_OS", "hurd"),
        several("--name=web", "notes.web.venv"),
        several("--name=web", "notes.web.venv").file("notes.venv", "Format: 2\n"),
        several("--name=web", "notes.venv"),
        several("--name=web", "web.venv"),
        several("--name=web", "venv"),
        several("--name=web", "notes.web.venv.amd64").file("notes.web.venv", "Format: 2\n"),
        several("--name=web", "notes.venv.amd64"),
        several("--name=web -pnotes-doc", "web.venv"),
        row("one", "--name=web").file("web.venv", "Format: 1\n"),
        several("-O--name=web", "notes.web.venv"),
        several("", "notes.venv/readme"),
        several("", "notes.venv").env("DH_COMPAT", "14"),
        several("--name=web", "notes.venv").env("DH_COMPAT", "14").only(LEVEL_14),
        several("--name=web", "notes.venv").env("DH_COMPAT", "13").named("compat 14 in control, 13 in the environment"),
    ];
    rows.extend([
        text("Requirements: a b\n# comment ${unknown}\n  # another ${unknown}\n c\n"),
        text("Requirements:\ta\n\n\nPython:  b  \n"),
        text("${DEB_HOST_ARCH} ${DEB_HOST_MULTIARCH}\n"),
        text("a-${DEB_HOST_ARCH}.txt ${DEB_TARGET_ARCH}${DEB_HOST_ARCH_OS}\n"),
        text("${DEB_HOST_NOTHING}\n"),
        text("${DEB_HOST_GNU_TYPE}\n"),
        text("${DEB_OTHER}\n"),
        text("${env:HOME}/x ${env:NOT_SET}\n"),
        text("${env:HOME}/x\n"),
        text("${env:}\n"),
        text("a${Space}b${Tab}c\n"),
        text("a${Newline}b\n"),
        text("${Dollar}{HOME} $HOME ${} $$ $\n"),
        text("${Dollar}${Dollar}\n"),
        text("${unknown}\n"),
        text("${misc:Depends}\n"),
        text("${-x} ${_x} ${:x} ${x\n"),
        text("${a.b} {c} ${d e}\n"),
        text("${${Space}}\n"),
        text("$${Space}x\n"),
        text("${space}\n"),
        text(""),
        text("\n\n"),
        text("${env:WORDS}\n").env("WORDS", "a  b"),
        text("${env:DOLLAR}\n").env("DOLLAR", "a$b"),
        text("${env:BRACES}\n").env("BRACES", "${Space}x"),
        text("${env:EMPTY}x\n").env("EMPTY", ""),
        run("prints", "echo 'Format: 1'; echo; echo '# not a comment'"),
        run("prints what it acts on", "echo \"$DH_CONFIG_ACT_ON_PACKAGES\""),
        run("its output is expanded", "echo '${Dollar} ${DEB_HOST_ARCH}'"),
        run("its output has no comments", "echo '# ${unknown}'"),
        run("its output cannot be expanded", "echo '${unknown}'"),
        run("is started in the source directory", "cat debian/control | head -n 1"),
        run("says something", "echo oops >&2; echo x"),
        run("fails", "echo x; exit 3"),
        run("prints white space only", "echo '  '"),
        run("prints nothing", "true"),
        run("sees the environment", "echo \"$DH_VERBOSE $DEB_HOST_ARCH\"").env("DH_VERBOSE", "1"),
        row("several", "-pnotes-doc -pnotes-common -a")
            .program("notes-doc.venv", "#!/bin/sh\necho \"$DH_CONFIG_ACT_ON_PACKAGES\" | tr , '\\n' | sort\n")
            .named("config program: several packages"),
        row("one", "-v").program("notes.venv", "no program\n").named("config program: not one"),
        row("one", "-v").program("notes.venv", "echo x\n").named("config program: no interpreter line"),
        row("one", "-v").program("notes.venv", "").named("config program: empty"),
        row("one", "-v").program("notes.venv", "#!/nonexistent\n").named("config program: no such interpreter"),
        row("one", "-v").program("notes.venv.amd64", "#!/bin/sh\necho x\n"),
        row("one", "-v").program("venv", "#!/bin/sh\necho x\n"),
    ]);
    rows
}

/// Substvars, snippets, triggers and lists over what is there already.
pub fn outputs() -> Vec<Row> {
    let substvars = |text: &str| row("one", "-v").file("notes.substvars", text).named(&format!("substvars: {text:?}"));
    let snippet = |name: &str, text: &str| row("one", "").file(name, text);
    let generated = |name: &str, text: &str| row("one", "").file(&format!(".debhelper/generated/notes/{name}"), text);
    vec![
        substvars("misc:Depends=zope\n"),
        substvars("misc:Depends=zope, adduser\n"),
        substvars("misc:Depends=\n"),
        substvars("misc:Depends?=zope\n"),
        substvars("misc:Depends=notes-common, init-system-helpers (>= 1.54), a\n"),
        substvars("misc:Depends=init-system-helpers (>= 1.40)\n"),
        substvars("misc:Depends=notes-common"),
        substvars("other=1\nmisc:Depends=a\nmisc:Depends=b\n"),
        substvars("misc:DependsX=a\nxmisc:Depends=b\nmisc:Depends =c\n"),
        substvars("old:Depends=gone, stays\nstale:Depends=x\n"),
        substvars("old:Depends=gone\nold:Depends=stays\n"),
        substvars("old:Depends?=gone\nstale:Depends?=x\n"),
        substvars("stale:Depends=x\nstale:DependsX=y\n"),
        substvars("# comment\n\nvenv:Depends=python3\n"),
        substvars("venv:Depends=python3 , x,y\n"),
        substvars("misc:Depends!=zope\nstale:Depends!=x\n").only(NEW),
        snippet(
            "notes.postinst.debhelper",
            "# Automatically added by dh_first\nfirst\n# End automatically added section\n",
        ),
        snippet(
            "notes.prerm.debhelper",
            "# Automatically added by dh_first\nfirst\n# End automatically added section\n",
        ),
        snippet("notes.postrm.debhelper", "first"),
        snippet("notes.preinst.debhelper", "first\n"),
        snippet("notes.postinst", "#!/bin/sh\n#DEBHELPER#\n"),
        generated("postinst.service", "first\n"),
        generated("prerm.service", "first\n"),
        generated("triggers", "interest /usr/lib/notes\nactivate-noawait other\n"),
        generated(
            "triggers",
            "interest-noawait /usr/lib/notes\ninterest /usr/lib/notes/x\ninterest\t/usr/lib/notes extra\n",
        ),
        generated("installed-by-dh_oracle", "src/z\n"),
        row("one", "-n").file("notes.prerm.debhelper", "first\n"),
        row("one", "-o").file("notes.prerm.debhelper", "first\n"),
        row("one", "--no-act").file("notes.prerm.debhelper", "first\n").file("notes.substvars", "misc:Depends=a\n"),
        row("several", "-a -Nnotes").file("notes-amd64.postinst.debhelper", "first\n"),
    ]
}
