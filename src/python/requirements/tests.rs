//! pip's own corner cases, and round trips.

use proptest::prelude::*;

use super::*;

const A: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn files(files: &[(&str, &str)]) -> (Requirements, Vec<String>) {
    let map: BTreeMap<PathBuf, String> = files.iter().map(|(name, text)| (name.into(), (*text).to_owned())).collect();
    let variables = BTreeMap::from([("TOKEN".to_owned(), "s3".to_owned()), ("EMPTY".to_owned(), String::new())]);
    let (requirements, faults) = read(Path::new(files[0].0), &|path| Ok(map.get(path).cloned()), &variables);
    let faults = faults.iter().map(|f| format!("{f} | {}", f.hint.clone().unwrap_or_default())).collect();
    (requirements, faults)
}

fn good(text: &str) -> Requirements {
    let (requirements, faults) = files(&[("requirements.txt", text)]);
    assert_eq!(faults, Vec::<String>::new());
    requirements
}

fn bad(text: &str) -> String {
    let (_, faults) = files(&[("requirements.txt", text)]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

#[test]
fn continuation_comments_and_line_numbers() {
    let all = good(&format!(
        "\u{feff}# head\n\nflask==3.1 \\\n    --hash={A} \\\n    # via notes\nsix  # why\nurl @ https://e.invalid/x.zip#sha256=00\n\
         foo \\\n  >=1 \\\n  ; python_version < '4'\r\nbar\\"
    ));
    let seen: Vec<_> = all.entries.iter().map(|e| (e.location.line.unwrap(), e.text.as_str())).collect();
    assert_eq!(
        seen,
        [
            (3, "flask==3.1"),
            (6, "six"),
            (7, "url @ https://e.invalid/x.zip#sha256=00"),
            (8, "foo   >=1   ; python_version < '4'"),
            (11, "bar")
        ]
    );
    assert_eq!(all.entries[0].hashes, [A]);
    assert_eq!(all.entries[3].marker.as_deref(), Some("python_version < '4'"));
}

#[test]
fn entries_of_every_kind() {
    let all = good(
        "Zope.Interface[Test, x_y] (>=5,<6)\ngit+https://e.invalid/r@v1#egg=Some.Repo\nhttps://e.invalid/a-1-py3-none-any.whl ; os_name == 'posix'\n\
         ./lib[fast]\nvendor/x-1.tar.gz\nlib/sub\nfile:///srv/y.whl\nname @ file:///srv/dir\n-e .\n--editable=./plug[a]\nq===1.weird",
    );
    let targets: Vec<_> = all.entries.iter().map(|entry| entry.target.clone()).collect();
    let directory = |path: &str| Target::Directory(path.into());
    assert_eq!(
        targets,
        [
            Target::Versions(">=5,<6".into()),
            Target::Url("git+https://e.invalid/r@v1#egg=Some.Repo".into()),
            Target::Url("https://e.invalid/a-1-py3-none-any.whl".into()),
            directory("./lib"),
            Target::Archive("vendor/x-1.tar.gz".into()),
            directory("lib/sub"),
            Target::Archive("/srv/y.whl".into()),
            directory("/srv/dir"),
            directory("."),
            directory("./plug"),
            Target::Versions("===1.weird".into()),
        ]
    );
    assert_eq!(all.entries[0].name.as_deref(), Some("zope-interface"));
    assert_eq!(all.entries[0].extras, ["test", "x-y"]);
    assert_eq!(all.entries[1].name.as_deref(), Some("some-repo"));
    assert!(all.entries[1].is_repository() && all.entries[8].editable);
    assert_eq!(all.directories().count(), 5);
    assert!(!all.to_text().contains("plug"), "local projects are installed by themselves");
}

#[test]
fn options_are_kept_in_order_and_variables_expanded() {
    let all = good(
        "-i https://u:${TOKEN}@e.invalid/simple\n--extra-index-url=https://e.invalid/2 --no-index\n-f ./wheels\n--pre\n\
         --trusted-host e.invalid\n--no-binary=:all:\nfoo --config-settings=\"a=b c\"\nx @ https://e.invalid/${UNKNOWN}/${EMPTY}/${lower}/${",
    );
    let names: Vec<_> = all.options.iter().map(GlobalOption::line).collect();
    assert_eq!(
        names,
        [
            "--index-url https://u:s3@e.invalid/simple",
            "--extra-index-url https://e.invalid/2",
            "--no-index",
            "--find-links ./wheels",
            "--pre",
            "--trusted-host e.invalid",
            "--no-binary :all:"
        ]
    );
    assert_eq!(all.entries[0].options, ["--config-settings=a=b c"]);
    assert!(all.entries[1].text.ends_with("/${UNKNOWN}/${EMPTY}/${lower}/${"));
    assert!(all.to_text().contains("foo \\\n    \"--config-settings=a=b c\"\n"));
}

#[test]
fn includes_are_relative_to_their_file() {
    let (all, faults) = files(&[
        ("req/all.txt", "-r base.txt\n-rdev/dev.txt\n-c ../limits.txt\nlast"),
        ("req/base.txt", "base==1"),
        ("req/dev/dev.txt", "--requirement ../base.txt\ndev"),
        ("limits.txt", "-r more.txt\nlimit<2"),
        ("more.txt", "more<3"),
    ]);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(all.to_text(), "base==1\ndev\nlast\n");
    assert_eq!(all.constraints_text(), "more<3\nlimit<2\n");
    assert_eq!(all.files.len(), 5);
}

#[test]
fn faults_point_and_help() {
    let (_, faults) =
        files(&[("a.txt", "-r b.txt\n-r missing.txt\n-r https://e.invalid/r.txt\n"), ("b.txt", "\n-r ./a.txt\nok\n")]);
    assert_eq!(faults[0], "b.txt:2: a.txt includes itself | remove one of the -r lines");
    assert!(faults[1].starts_with("a.txt:2: no file missing.txt |"));
    assert!(faults[2].starts_with("a.txt:3: a requirements file from a URL"));
    assert!(bad("-e git+https://e.invalid/r#egg=x").ends_with("| list the directory in 'Project', or drop -e"));
    assert!(bad("ok\n--indx-url x").starts_with("requirements.txt:2: option '--indx-url'"));
    assert!(bad("--indx-url x").ends_with("did you mean '--index-url'?"));
    assert!(bad("--index-url").contains("--index-url has no value"));
    assert!(bad("--no-index=1").contains("takes no value"));
    assert!(bad("foo ; python_vers < '3'").contains("cannot read the marker"));
    assert!(bad("foo bar").contains("'foo bar' is no requirement"));
    assert!(bad("foo =1").contains("is no version range"));
    assert!(bad("foo==1 --hash=md5:00").contains("is no hash that counts"));
    assert!(bad("foo==1 --hash=sha256:00").contains("64 hexadecimal digits"));
    assert!(bad("foo --no-index").contains("only --hash"));
    assert!(bad("--find-links 'x").contains("a quotation is not closed"));
    let (_, faults) = files(&[("a.txt", "-c c.txt"), ("c.txt", "a[x]<1\n./x\nfine")]);
    assert_eq!(faults.len(), 2);
    assert!(faults[0].starts_with("c.txt:1: 'a[x]<1' cannot be a constraint"));
}

#[test]
fn hashes_for_one_mean_hashes_for_all() {
    assert_eq!(good("a==1\nb>2").fully_pinned(), Ok(false));
    assert_eq!(good(&format!("a==1 --hash={A}\n./local\n-e other")).fully_pinned(), Ok(true));
    assert_eq!(good(&format!("a @ https://e.invalid/a.zip#{}", A.replace(':', "="))).fully_pinned(), Ok(true));
    let (constrained, faults) = files(&[("r.txt", "a==1\n-c c.txt"), ("c.txt", &format!("a==1 --hash={A}"))]);
    assert!(faults.is_empty());
    assert_eq!(constrained.fully_pinned(), Ok(true));
    let mixed = good(&format!("a==1 --hash={A}\nb==2\nc>=1 --hash={A}\nd==1.* --hash={A}\ngit+https://e.invalid/r"));
    let error = mixed.fully_pinned().unwrap_err();
    let messages: Vec<_> = error.diagnostics().iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "requirements.txt:2: 'b==2' has no hash, and others have",
            "requirements.txt:3: 'c>=1' has a hash but not one version",
            "requirements.txt:4: 'd==1.*' has a hash but not one version",
            "requirements.txt:5: 'git+https://e.invalid/r' is a repository, which has no hash",
        ]
    );
    assert!(good("--require-hashes\na==1").fully_pinned().is_err());
}

#[test]
fn what_uv_exports_is_read_and_written_back() {
    let text = include_str!("../../../tests/data/lock/notes.all.txt");
    let all = good(text);
    assert_eq!(all.fully_pinned(), Ok(true));
    assert_eq!(all.to_text(), text);
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "([a-z0-9=<>;#\\\\ \"'${}@:/.\\[\\]-]|\n|\\PC){0,120}") {
        let (requirements, _) = files(&[("r.txt", &text)]);
        let _ = requirements.fully_pinned();
    }

    #[test]
    fn the_canonical_text_means_the_same(
        names in prop::collection::vec(("[a-z][a-z0-9]{0,8}", 0u8..20, any::<bool>()), 0..8)
    ) {
        let mut text = String::from("--pre\n");
        for (name, version, marked) in &names {
            text += &format!("{name}=={version}{} \\\n --hash={A}\n", if *marked { "; os_name == 'posix'" } else { "" });
        }
        let once = good(&text).to_text();
        prop_assert_eq!(good(&once).to_text(), once);
    }
}
