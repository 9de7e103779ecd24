//! Byte code: from the cache where some package has had the same distribution,
//! else compiled, and kept for the next.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::digest::digest;
use crate::error::{Error, Result};
use crate::helper::venv::bytecode::{self, COMPILE};
use crate::helper::venv::settings::Bytecode;
use crate::helper::venv::tree::Installed;
use crate::hex::hex;
use crate::input;
use crate::parallel;
use crate::plan::{Action, Plan, Process};

use super::workshop::Workshop;

/// What the compiler has left: files of records, by group and batch.
struct Compiled {
    out: PathBuf,
}

impl Compiled {
    /// All records of a group.
    fn code(&self, group: usize) -> Result<Vec<u8>> {
        let mut code = Vec::new();
        for batch in 0.. {
            let Some(bytes) = input::bytes(&self.out.join(format!("{group}-{batch}")))? else { break };
            code.extend(bytes);
        }
        Ok(code)
    }

    fn remove(self, workshop: &Workshop<'_>) -> Result<()> {
        workshop.apply(&Plan::new([Action::Remove { path: self.out }]))
    }
}

impl Workshop<'_> {
    /// Byte-compile those of `paths`, relative to `root`, that are modules.
    pub fn compile(&self, root: &Path, distributions: &[&Installed], paths: &BTreeSet<&PathBuf>) -> Result<()> {
        if self.settings.bytecode == Bytecode::None {
            return Ok(());
        }
        let there: BTreeSet<&PathBuf> = paths.iter().copied().filter(|path| input::is_file(&root.join(path))).collect();
        let groups = bytecode::groups(distributions.iter().copied(), &there);
        let unknown = parallel::each(
            self.jobs(),
            &groups,
            || (),
            |(), group| {
                let key = self.code_key(root, group)?;
                match self.cache.code(&key) {
                    Some(code) if self.put(root, group, &code)? => Ok(None),
                    _ => Ok(Some((key, group))),
                }
            },
        )?;
        let missing: Vec<_> = unknown.into_iter().flatten().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let groups: Vec<_> = missing.iter().map(|(_, group)| *group).collect();
        let compiled = self.run_compiler(root, Path::new(bytecode::NOWHERE), &groups)?;
        let numbered: Vec<_> = missing.iter().enumerate().collect();
        let immovable = parallel::each(
            self.jobs(),
            &numbered,
            || (),
            |(), (number, (key, group))| {
                let code = compiled.code(*number)?;
                if !self.put(root, group, &code)? {
                    return Ok(Some(*group));
                }
                self.cache.keep_code(key, &code)?;
                Ok(None)
            },
        )?;
        compiled.remove(self)?;
        self.cache.bound()?;
        // A source that has the placeholder itself, or a name that is no Unicode.
        let immovable: Vec<_> = immovable.into_iter().flatten().collect();
        if immovable.is_empty() {
            return Ok(());
        }
        let compiled = self.run_compiler(root, &self.settings.prefix, &immovable)?;
        for number in 0..immovable.len() {
            let code = compiled.code(number)?;
            let records = bytecode::records(&code)
                .ok_or_else(|| Error::failed("the byte compiler's output cannot be read".to_owned()))?;
            let files = records.into_iter().map(|record| (record.file, record.code.to_vec())).collect();
            self.apply(&Plan::new([Action::Fill { tree: root.to_path_buf(), files }]))?;
        }
        compiled.remove(self)
    }

    /// Compile groups of modules below `root` for `prefix`.
    fn run_compiler(&self, root: &Path, prefix: &Path, groups: &[&Vec<&PathBuf>]) -> Result<Compiled> {
        let out = self.work.join("code");
        self.apply(&Plan::new([Action::Remove { path: out.clone() }, Action::Directory { path: out.clone() }]))?;
        let mode = self.settings.bytecode.word();
        let groups = groups.iter().map(|group| group.as_slice());
        let process = Process::new(self.interpreter.target(), ["-I", "-S", "-c", COMPILE].map(OsString::from))
            .environment(&self.environment)
            .input(bytecode::request(mode, self.jobs(), &out, root, prefix, groups));
        self.apply(&Plan::new([Action::Run(process)]))?;
        Ok(Compiled { out })
    }

    /// Put the records of a group into its venv; `false` where they are not such.
    fn put(&self, root: &Path, group: &[&PathBuf], code: &[u8]) -> Result<bool> {
        let Some(records) = bytecode::records(code) else { return Ok(false) };
        let mut files = Vec::new();
        for record in &records {
            let is_ours = record.is_beside() && group.binary_search(&&record.module).is_ok();
            let Some(code) = bytecode::relocated(record, &self.settings.prefix).filter(|_| is_ours) else {
                return Ok(false);
            };
            files.push((record.file.clone(), code));
        }
        self.apply(&Plan::new([Action::Fill { tree: root.to_path_buf(), files }]))?;
        Ok(true)
    }

    /// All that decides a group's byte code: the compiler, and where its sources
    /// stand and what they say.
    fn code_key(&self, root: &Path, group: &[&PathBuf]) -> Result<String> {
        let version = self.interpreter.markers.get("python_full_version").map(String::as_str).unwrap_or_default();
        let target = self.interpreter.target().display().to_string();
        let head =
            ["dh-venv-code 1", COMPILE, &target, version, &self.interpreter.soabi, self.settings.bytecode.word()];
        let mut lines: Vec<String> = head.map(str::to_owned).into();
        for path in group {
            lines.push(format!("{} {}", hex(&input::digest(&root.join(path))?), path.display()));
        }
        Ok(digest(lines.iter().map(String::as_str)))
    }
}
