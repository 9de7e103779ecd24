//! Byte code that does not depend on where its venv stands, so that every
//! package that has the same distribution can use it.
//!
//! A code object names its file once (`co_filename`), and marshal, which writes
//! it down, refers to that one text from everywhere else. Modules are therefore
//! compiled under [`NOWHERE`], and the text is replaced when the code is put in
//! its place: [`relocated`] gives the bytes that compiling it there would have
//! given.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::tree::Installed;

/// Byte-compiles; see there for why not compileall.
pub const COMPILE: &str = include_str!("../../../share/python/compile.py");

/// The prefix that modules are compiled for. Hardly any source has such a text.
pub const NOWHERE: &str = "<the venv's prefix>";

/// marshal's mark of an object that later ones may refer to (`FLAG_REF`).
const REFERENCE: u8 = 0x80;

/// The byte code of one module. Paths are relative to the venv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The source.
    pub module: PathBuf,
    /// The file in `__pycache__`.
    pub file: PathBuf,
    /// Its bytes.
    pub code: &'a [u8],
}

impl Record<'_> {
    /// Whether the file is where Python looks for it: in `__pycache__`, beside the module.
    pub fn is_beside(&self) -> bool {
        let place = self.module.parent().map(|directory| directory.join("__pycache__"));
        self.file.file_name().is_some() && self.file.parent() == place.as_deref()
    }
}

/// The modules among `paths` that belong together, each group in order: those of
/// one distribution each, and the rest. `paths` are relative to the venv.
pub fn groups<'a>(
    distributions: impl Iterator<Item = &'a Installed>,
    paths: &BTreeSet<&'a PathBuf>,
) -> Vec<Vec<&'a PathBuf>> {
    let is_module = |path: &&PathBuf| path.extension() == Some(OsStr::new("py")) && path.starts_with("lib");
    let mut rest: BTreeSet<&PathBuf> = paths.iter().copied().filter(is_module).collect();
    let mut groups = Vec::new();
    for one in distributions {
        groups.push(one.rows.keys().filter_map(|path| rest.take(path)).collect());
    }
    groups.push(rest.into_iter().collect());
    groups.retain(|group: &Vec<&PathBuf>| !group.is_empty());
    groups
}

/// What [`COMPILE`] reads: how, with how many children at once, where the
/// records go, and groups of modules below `root`, to be compiled for `prefix`.
pub fn request<'a>(
    mode: &str,
    jobs: usize,
    out: &Path,
    root: &Path,
    prefix: &Path,
    groups: impl Iterator<Item = &'a [&'a PathBuf]>,
) -> Vec<u8> {
    let mut words = vec![mode.as_bytes().to_vec(), jobs.to_string().into_bytes()];
    words.push(out.as_os_str().as_bytes().to_vec());
    words.push(root.as_os_str().as_bytes().to_vec());
    words.push(prefix.as_os_str().as_bytes().to_vec());
    for group in groups {
        words.extend(group.iter().map(|path| path.as_os_str().as_bytes().to_vec()));
        words.push(Vec::new());
    }
    words.join(&0)
}

/// The records that [`COMPILE`] wrote; `None` where `bytes` are something else.
pub fn records(mut bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let mut word = || {
            let (word, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == 0)?);
            bytes = &rest[1..];
            Some(OsStr::from_bytes(word))
        };
        let (module, file) = (word()?.into(), word()?.into());
        let length: usize = word()?.to_str()?.parse().ok()?;
        let (code, rest) = bytes.split_at_checked(length)?;
        all.push(Record { module, file, code });
        bytes = rest;
    }
    Some(all)
}

/// The byte code of `record`, compiled for [`NOWHERE`], in a venv at `prefix`; `None`
/// where its file name does not stand in it exactly once, as marshal writes a text.
pub fn relocated(record: &Record<'_>, prefix: &Path) -> Option<Vec<u8>> {
    let code = record.code;
    let from = Path::new(NOWHERE).join(&record.module).into_os_string().into_string().ok()?;
    let to = prefix.join(&record.module).into_os_string().into_string().ok()?;
    let mut places = memchr::memmem::find_iter(code, from.as_bytes());
    let (at, None) = (places.next()?, places.next()) else { return None };
    // The head of either has the flags that this one was written with.
    let kinds = [false, true].map(|interned| head(&from, interned));
    let interned = kinds.iter().position(|head| {
        let there = code[..at].len().checked_sub(head.len()).map(|start| &code[start..at]);
        there.is_some_and(|there| there[0] & !REFERENCE == head[0] && there[1..] == head[1..])
    })?;
    let start = at - kinds[interned].len();
    let mut head = head(&to, interned == 1);
    head[0] |= code[start] & REFERENCE;
    Some([&code[..start], &head, to.as_bytes(), &code[at + from.len()..]].concat())
}

/// What marshal writes before the bytes of a text (`w_object` in CPython's
/// Python/marshal.c): its type and its length.
fn head(text: &str, interned: bool) -> Vec<u8> {
    let short = u8::try_from(text.len()).ok().filter(|_| text.is_ascii());
    let kind = match (text.is_ascii(), short.is_some(), interned) {
        (true, true, false) => b'z',
        (true, true, true) => b'Z',
        (true, false, false) => b'a',
        (true, false, true) => b'A',
        (false, _, false) => b'u',
        (false, _, true) => b't',
    };
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    match short {
        Some(length) => vec![kind, length],
        None => [&[kind], &length[..]].concat(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test asks Python itself")]
mod tests {
    use super::*;

    fn put(module: &str, head: &[u8], prefix: &str) -> Option<Vec<u8>> {
        let text = format!("{NOWHERE}/{module}");
        let code = [b"before", head, text.as_bytes(), b"after"].concat();
        relocated(&Record { file: PathBuf::new(), module: module.into(), code: &code }, Path::new(prefix))
    }

    #[test]
    fn what_is_no_file_name_as_marshal_writes_it_is_refused() {
        let length = u8::try_from(NOWHERE.len() + 9).unwrap();
        assert_eq!(put("lib/m.py", &[b'z', length], "/p").unwrap(), b"beforez\x0b/p/lib/m.pyafter");
        for head in [&[b'z', length - 1][..], &[b'a', length], &[b's', length], &[]] {
            assert_eq!(put("lib/m.py", head, "/p"), None, "{head:?}");
        }
        let twice = [&[b'z', length][..], format!("{NOWHERE}/lib/m.py").as_bytes()].concat();
        assert_eq!(put("lib/m.py", &twice, "/p"), None);
    }

    #[test]
    fn records_that_were_cut_short_are_none() {
        let whole = b"lib/m.py\0lib/__pycache__/m.pyc\x003\0abclib/n.py\0n\x000\0";
        let all = records(whole).unwrap();
        assert_eq!((all.len(), all[0].code, all[1].module.to_str()), (2, &b"abc"[..], Some("lib/n.py")));
        let cuts: Vec<usize> = (0..whole.len()).filter(|length| records(&whole[..*length]).is_some()).collect();
        assert_eq!(cuts, [0, 36]);
    }

    #[test]
    fn a_record_puts_its_file_beside_its_module_or_nowhere() {
        let beside = |file: &str| Record { module: "lib/m.py".into(), file: file.into(), code: b"" }.is_beside();
        assert!(beside("lib/__pycache__/m.cpython-311.pyc"));
        for file in [
            "lib/m.pyc",
            "__pycache__/m.pyc",
            "lib/__pycache__/..",
            "/lib/__pycache__/m.pyc",
            "lib/__pycache__/x/m.pyc",
        ] {
            assert!(!beside(file), "{file}");
        }
    }

    /// The records of all of `modules` below `root`, compiled for `prefix`.
    fn compiled(root: &Path, modules: &[&PathBuf], prefix: &str) -> Vec<u8> {
        use std::io::Write;
        let out = root.join("out");
        std::fs::create_dir(&out).unwrap();
        let input = request("unchecked-hash", 2, &out, root, Path::new(prefix), [modules].into_iter());
        let mut child = std::process::Command::new("/usr/bin/python3")
            .args(["-I", "-S", "-c", COMPILE])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        assert!(child.wait().unwrap().success());
        let bytes = std::fs::read(out.join("0-0")).unwrap();
        std::fs::remove_dir_all(out).unwrap();
        bytes
    }

    #[test]
    fn relocated_code_is_what_compiling_in_place_gives() {
        let room = tempfile::tempdir().unwrap();
        let root = room.path();
        let source =
            "\"\"\"Text.\"\"\"\nclass A:\n    def f(self, x=1):\n        return [lambda: (x, y) for y in self]\n";
        let long = "d".repeat(240);
        let names = ["lib/a.py".to_owned(), "lib/\u{e4}/\u{1f40d}.py".to_owned(), format!("lib/{long}/m.py")];
        let modules: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        for module in &modules {
            std::fs::create_dir_all(root.join(module).parent().unwrap()).unwrap();
            std::fs::write(root.join(module), source).unwrap();
        }
        // An empty one names its file, too; what is no Python has no code.
        std::fs::write(root.join("lib/b.py"), "").unwrap();
        std::fs::write(root.join("lib/c.py"), "{% template %}").unwrap();
        let others = [PathBuf::from("lib/b.py"), PathBuf::from("lib/c.py")];
        let all: Vec<&PathBuf> = modules.iter().chain(&others).collect();
        let kept = compiled(root, &all, NOWHERE);
        let kept = records(&kept).unwrap();
        assert_eq!(kept.len(), 4);
        for prefix in ["/p", "/usr/lib/notes/venv", &format!("/opt/{}", "x".repeat(250)), "/opt/\u{e4}"] {
            let direct = compiled(root, &all, prefix);
            for (record, direct) in kept.iter().zip(records(&direct).unwrap()) {
                assert_eq!((&record.module, &record.file), (&direct.module, &direct.file));
                assert!(relocated(record, Path::new(prefix)).unwrap() == direct.code, "{prefix}: {record:?}");
            }
        }
    }
}
