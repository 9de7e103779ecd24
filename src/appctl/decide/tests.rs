use super::*;

const PATH: &str = "/etc/notes/notes.ini";
const OURS: Attributes = Attributes { uid: 0, gid: 7, mode: 0o640 };

fn file(contents: &str) -> WantedFile {
    WantedFile {
        path: PATH.to_owned(),
        contents: contents.into(),
        attributes: OURS,
        overridden: false,
        merge: false,
        on_change: OnChange::None,
    }
}

fn wanted(contents: &str) -> Wanted {
    Wanted { files: vec![file(contents)], ..Wanted::default() }
}

fn journal(rendered: &str) -> Journal {
    let record = FileRecord { rendered: digest(rendered.as_bytes()), attributes: OURS, beside: None };
    Journal { files: BTreeMap::from([(PATH.to_owned(), record)]), ..Journal::default() }
}

fn there(contents: &str) -> Snapshot {
    let contents = Contents { bytes: contents.into(), attributes: OURS, extended: Extended::new(), is_roots: true };
    Snapshot { files: BTreeMap::from([(PATH.to_owned(), contents)]), ..Snapshot::default() }
}

fn decided(wanted: &Wanted, journal: &Journal, snapshot: &Snapshot) -> Decision {
    decide(wanted, journal, snapshot, &BTreeSet::new())
}

fn placed(path: &str, contents: &str) -> Step {
    Step::Place { path: path.to_owned(), contents: contents.into(), attributes: OURS, extended: None }
}

/// In the place of a file that was there.
fn replaced(contents: &str, attributes: Attributes) -> Step {
    Step::Place { path: PATH.to_owned(), contents: contents.into(), attributes, extended: Some(Extended::new()) }
}

#[test]
fn a_new_file_is_put_there() {
    let decision = decided(&wanted("1"), &Journal::default(), &Snapshot::default());
    assert_eq!(decision.steps, [placed(PATH, "1")]);
    assert_eq!(decision.reports[0].state, State::New);
}

#[test]
fn an_untouched_file_follows_and_an_equal_one_is_left_alone() {
    assert_eq!(decided(&wanted("2"), &journal("1"), &there("1")).steps, [replaced("2", OURS)]);
    let same = decided(&wanted("1"), &journal("1"), &there("1"));
    assert!(same.is_nothing() && same.rendered.is_empty());
}

#[test]
fn an_edit_is_kept_and_the_new_version_put_beside_it_once() {
    let decision = decided(&wanted("2"), &journal("1"), &there("mine"));
    assert_eq!(decision.steps, [placed(&beside(PATH), "2")]);
    let again = Journal { files: decision.records, ..Journal::default() };
    assert!(decided(&wanted("2"), &again, &there("mine")).is_nothing());
}

#[test]
fn a_file_that_was_there_before_the_package_is_the_administrator_s() {
    assert_eq!(decided(&wanted("1"), &Journal::default(), &there("mine")).steps, [placed(&beside(PATH), "1")]);
    assert!(decided(&wanted("1"), &Journal::default(), &there("1")).is_nothing());
}

#[test]
fn a_deleted_file_stays_deleted() {
    let decision = decided(&wanted("2"), &journal("1"), &Snapshot::default());
    assert!(decision.is_nothing());
    assert_eq!(decision.reports[0].state, State::Deleted);
}

#[test]
fn an_administrator_s_owner_and_mode_stay() {
    let mut snapshot = there("1");
    let theirs = Attributes { uid: 0, gid: 4, mode: 0o600 };
    snapshot.files.get_mut(PATH).unwrap().attributes = theirs;
    assert!(decided(&wanted("1"), &journal("1"), &snapshot).is_nothing());
    let steps = decided(&wanted("2"), &journal("1"), &snapshot).steps;
    assert_eq!(steps, [replaced("2", theirs)]);
}

#[test]
fn what_somebody_else_has_put_there_says_nothing_about_owners() {
    // Not 1000, which may be whoever runs this test.
    let theirs = Attributes { uid: 54_321, gid: 54_321, mode: 0o666 };
    let mut snapshot = there("theirs");
    let file = snapshot.files.get_mut(PATH).unwrap();
    (file.attributes, file.is_roots) = (theirs, false);
    for journal in [Journal::default(), journal("1")] {
        assert_eq!(decided(&wanted("2"), &journal, &snapshot).steps, [placed(&beside(PATH), "2")]);
    }
    // Where only root can have put it, an administrator has given it to somebody.
    snapshot.files.get_mut(PATH).unwrap().is_roots = true;
    let [Step::Place { attributes, .. }] = &decided(&wanted("2"), &journal("1"), &snapshot).steps[..] else {
        panic!("no new version");
    };
    assert_eq!(*attributes, Attributes { mode: 0o640, ..theirs });
}

#[test]
fn a_new_owner_reaches_an_edited_file_too() {
    let mut wanted = wanted("1");
    wanted.files[0].attributes.gid = 9;
    let steps = decided(&wanted, &journal("1"), &there("mine")).steps;
    let attributes = Attributes { gid: 9, ..OURS };
    assert_eq!(steps, [replaced("mine", attributes)]);
}

#[test]
fn a_merge_that_conflicts_is_an_edit_that_is_kept() {
    let mut wanted = wanted("one\n2\n3\n4\n");
    wanted.files[0].merge = true;
    let base = "1\n2\n3\n4\n";
    let mut snapshot = there("1\n2\n3\nfour\n");
    snapshot.rendered.insert(PATH.to_owned(), base.into());
    let decision = decided(&wanted, &journal(base), &snapshot);
    assert_eq!(decision.steps, [replaced("one\n2\n3\nfour\n", OURS)]);
    assert_eq!(decision.records[PATH].rendered, digest(b"one\n2\n3\n4\n"));
    let refused = decide(&wanted, &journal(base), &snapshot, &decision.merged);
    assert_eq!(refused.steps, [placed(&beside(PATH), "one\n2\n3\n4\n")]);
    snapshot.files.get_mut(PATH).unwrap().bytes = b"uno\n2\n3\n4\n".to_vec();
    assert_eq!(decided(&wanted, &journal(base), &snapshot).steps, refused.steps);
}

/// An edit that a service's user has made so that dpkg waits for hours.
#[test]
fn an_edit_that_cannot_be_compared_is_kept_and_the_diff_says_how() {
    let lines = |numbers: &mut dyn Iterator<Item = usize>| numbers.map(|number| format!("{number}\n")).collect();
    let (base, trap): (String, String) =
        (lines(&mut (0..20_000)), lines(&mut (0..190_000).map(|number| number * 7919 % 2003)));
    let new = format!("{base}new\n");
    let mut wanted = wanted(&new);
    wanted.files[0].merge = true;
    let mut snapshot = there(&trap);
    snapshot.rendered.insert(PATH.to_owned(), base.clone().into());
    let decision = decided(&wanted, &journal(&base), &snapshot);
    assert!(decision.steps == [placed(&beside(PATH), &new)]);
    let rendering = crate::appctl::render::Rendering::default();
    let said = crate::appctl::diff::of(&decision.steps[0], &rendering, &snapshot);
    let new = beside(PATH);
    let how = format!("after 'appctl config apply': diff -u {PATH} {new}");
    assert_eq!(said, format!("--- {PATH}\n+++ {new} (new)\n(they differ too much to be shown; {how})\n"));
}

#[test]
fn a_solved_edit_takes_our_new_version_away() {
    let mut journal = journal("2");
    journal.files.get_mut(PATH).unwrap().beside = Some(digest(b"2"));
    let mut snapshot = there("2");
    snapshot.beside.insert(PATH.to_owned(), digest(b"2"));
    let steps = decided(&wanted("2"), &journal, &snapshot).steps;
    assert_eq!(steps, [Step::Remove { path: beside(PATH) }]);
    snapshot.beside.insert(PATH.to_owned(), digest(b"notes to self"));
    assert!(decided(&wanted("2"), &journal, &snapshot).is_nothing());
}

#[test]
fn what_the_package_has_no_longer_goes_unless_it_was_edited_or_is_dpkg_s_now() {
    let none = Wanted::default();
    assert_eq!(decided(&none, &journal("1"), &there("1")).steps, [Step::Remove { path: PATH.to_owned() }]);
    assert_eq!(decided(&none, &journal("1"), &there("mine")).steps, [Step::SetAside { path: PATH.to_owned() }]);
    assert!(decided(&none, &journal("1"), &Snapshot::default()).is_nothing());
    let mut shipped = there("mine");
    shipped.shipped.insert(PATH.to_owned());
    assert!(decided(&none, &journal("1"), &shipped).is_nothing());
}

#[test]
fn links_are_treated_as_files_are() {
    let wanted = Wanted { links: BTreeMap::from([("/l".to_owned(), "new".to_owned())]), ..Wanted::default() };
    let journal = Journal { links: BTreeMap::from([("/l".to_owned(), "old".to_owned())]), ..Journal::default() };
    let found = |target: Option<&str>| Snapshot {
        links: BTreeMap::from([("/l".to_owned(), target.map(str::to_owned))]),
        ..Snapshot::default()
    };
    let link = Step::Link { path: "/l".to_owned(), target: "new".to_owned() };
    assert_eq!(decided(&wanted, &Journal::default(), &Snapshot::default()).steps, std::slice::from_ref(&link));
    assert_eq!(decided(&wanted, &journal, &found(Some("old"))).steps, [link]);
    assert!(decided(&wanted, &journal, &Snapshot::default()).is_nothing());
    assert!(decided(&wanted, &journal, &found(Some("mine"))).is_nothing());
    assert!(decided(&wanted, &journal, &found(None)).is_nothing());
}

#[test]
fn a_directory_is_made_and_follows_the_manifest_where_it_was_left_alone() {
    let wanted = Wanted { directories: BTreeMap::from([("/d".to_owned(), OURS)]), ..Wanted::default() };
    let step = Step::Directory { path: "/d".to_owned(), attributes: OURS };
    assert_eq!(decided(&wanted, &Journal::default(), &Snapshot::default()).steps, [step]);
    let other = Attributes { mode: 0o700, ..OURS };
    let journal = Journal { directories: BTreeMap::from([("/d".to_owned(), OURS)]), ..Journal::default() };
    let found = Snapshot { directories: BTreeMap::from([("/d".to_owned(), other)]), ..Snapshot::default() };
    assert!(decided(&wanted, &journal, &found).is_nothing());
}
