//! Packages: the toolkit's own, and those that tests build with it. What several
//! tests want is built once a suite and shared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::image::{Kind, Suite, repository, target_dir};
use super::session::{Output, Session};

/// The toolkit's own packages for a suite, as `make` left them.
pub fn toolkit_debs(suite: Suite) -> Vec<PathBuf> {
    debs_in(&target_dir().join("debs").join(suite.name()))
}

/// A build daemon with the toolkit's packages installed, to do with as one likes:
/// the user `builder`, with the host's network, in `/home/builder`.
pub fn build_session(suite: Suite) -> Session {
    static BASES: [OnceLock<Session>; 2] = [const { OnceLock::new() }; 2];
    let base = BASES[suite as usize].get_or_init(|| {
        let session = Session::new(suite, Kind::Build);
        session.install(&toolkit_debs(suite));
        session
    });
    base.fork().as_user("builder")
}

/// Builds the source package in `source` (a directory of the host) as `builder`
/// in `/home/builder/build/<its name>`; the outputs lie in `/home/builder/build`.
/// More arguments of dpkg-buildpackage go to `arguments`.
pub fn build(session: &Session, source: &Path, arguments: &str) -> Output {
    let name = source.file_name().expect("a source directory has a name").to_string_lossy();
    let dir = format!("/home/builder/build/{name}");
    session.copy_in(source, &dir);
    session.in_dir(&dir).run(&format!("dpkg-buildpackage -us -uc -b {arguments}"))
}

/// The packages of examples/<name>, built once for each suite and test run.
pub fn example_debs(suite: Suite, name: &str) -> Vec<PathBuf> {
    type Built = BTreeMap<(Suite, String), &'static OnceLock<Vec<PathBuf>>>;
    static BUILT: Mutex<Built> = Mutex::new(BTreeMap::new());
    let slot: &'static OnceLock<Vec<PathBuf>> = {
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        built.entry((suite, name.to_owned())).or_insert_with(|| Box::leak(Box::default()))
    };
    let debs = slot.get_or_init(|| {
        let out = target_dir().join("examples").join(suite.name()).join(name);
        let _ = std::fs::remove_dir_all(&out);
        let session = build_session(suite);
        let output = build(&session, &repository().join("examples").join(name), "");
        assert!(output.success(), "examples/{name} on {suite}: {}", output.dump());
        session.ok("mkdir debs && mv build/*.deb build/*.buildinfo build/*.changes debs/");
        session.copy_out("/home/builder/debs", &out);
        debs_in(&out)
    });
    debs.clone()
}

fn debs_in(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut debs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    debs.sort();
    assert!(!debs.is_empty(), "no packages in {}: `make check` builds them first", dir.display());
    debs
}
