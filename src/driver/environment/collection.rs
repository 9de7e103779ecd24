//! What there is of environments, and the end of it: `env list`, `remove`, `gc`.
//!
//! What a session holds stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::apply;
use crate::driver::hold::{self, Held, Workroom};
use crate::error::{Diagnostic, Error, Result};
use crate::foreign::Id;
use crate::input;
use crate::plan::Process;

use super::{Environments, Note, Recipe, noted, read};
use crate::driver::hold::{now, owner};

/// A row of `env list`.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `trixie/amd64`.
    pub environment: String,
    /// What it is for.
    pub purpose: String,
    /// Its id.
    pub id: String,
    /// Seconds since it was made.
    pub age: u64,
    /// Bytes on disk.
    pub size: u64,
    /// Whether sessions started now stand on it.
    pub current: bool,
}

impl Environments<'_> {
    /// Every generation and layer.
    pub fn list(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut of_generation = BTreeMap::new();
        for recipe in self.recipes()? {
            let home = self.home(&recipe.suite, &recipe.architecture)?;
            let latest = input::text(&home.join("latest"))?.unwrap_or_default().trim().to_owned();
            for name in input::names(&home.join("generations"))? {
                let place = home.join("generations").join(&name);
                // What has no id as its name is none of ours.
                let Ok(id) = Id::new(&name.to_string_lossy()) else { continue };
                let Some(generation) = noted(&home.join("generations"), &id).ok().flatten() else { continue };
                let environment = format!("{}/{}", recipe.suite, recipe.architecture);
                let current = generation.id == latest;
                of_generation.insert(generation.id.clone(), (environment.clone(), current));
                let purpose = format!("minimal system, {} packages", generation.packages);
                let age = now().saturating_sub(generation.created);
                rows.push(Row { environment, purpose, id: generation.id, age, size: self.size(&place)?, current });
            }
        }
        for name in input::names(&self.root.join("layers"))? {
            let place = self.root.join("layers").join(&name);
            let Some(note) = read::<Note>(&place.join("layer.json")).ok().flatten() else { continue };
            let gone = ("none".to_owned(), false);
            let (environment, current) = of_generation.get(&note.generation).cloned().unwrap_or(gone);
            let age = now().saturating_sub(note.created);
            let Ok(id) = Id::new(&name.to_string_lossy()) else { continue };
            let id = id.to_string();
            rows.push(Row { environment, purpose: note.purpose, id, age, size: self.size(&place)?, current });
        }
        rows.sort_by(|a, b| (&a.environment, &a.purpose, &a.id).cmp(&(&b.environment, &b.purpose, &b.id)));
        Ok(rows)
    }

    fn recipes(&self) -> Result<Vec<Recipe>> {
        let names = input::names(&self.root)?;
        names.iter().filter_map(|name| read(&self.root.join(name).join("recipe.json")).transpose()).collect()
    }

    fn size(&self, path: &Path) -> Result<u64> {
        let words = ["-s".into(), "-B1".into(), "--".into(), path.as_os_str().to_owned()];
        // Of files that somebody else's ids own, it counts what it may see.
        let output = self.context.attempt(Process::new::<std::ffi::OsString>("du", words))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default())
    }

    /// Remove an environment with all that stands on it. Returns what that was.
    pub fn remove(&self, suite: &str, architecture: &str) -> Result<Vec<Row>> {
        self.recipe(suite, architecture)?;
        let home = self.home(suite, architecture)?;
        let mut locks = Vec::new();
        for name in input::names(&home.join("generations"))? {
            let name = name.to_string_lossy().into_owned();
            let path = self.locks().join(&name);
            match Held::alone(&path, &owner("removes it"))? {
                Ok(held) => locks.push(held),
                Err(_) => {
                    let users = hold::users(&path)?.join(", ");
                    let fault = Diagnostic::error(format!("{suite}/{architecture} is in use: {users}"));
                    return Err(Error::Locked(fault.hint("wait for its sessions to end, or end them")));
                }
            }
        }
        let environment = format!("{suite}/{architecture}");
        let mut removed = self.list()?;
        removed.retain(|row| row.environment == environment && self.place(row).starts_with(&home));
        self.discard(&home)?;
        removed.extend(self.collect(u64::MAX)?);
        Ok(removed)
    }

    /// Where a row's directory is.
    fn place(&self, row: &Row) -> PathBuf {
        let layer = self.root.join("layers").join(&row.id);
        match input::is_directory(&layer) {
            true => layer,
            false => self.root.join(row.environment.replace('/', "-")).join("generations").join(&row.id),
        }
    }

    /// Remove generations that are not the latest, layers of generations that are
    /// gone or no longer the latest, and layers not used for `keep` seconds. What
    /// a session holds stays. Returns what was removed.
    pub fn collect(&self, keep: u64) -> Result<Vec<Row>> {
        let mut removed = Vec::new();
        for row in self.list()? {
            let path = self.place(&row);
            let note = path.join("layer.json");
            let unused = input::is_file(&note) && age(&note)? > keep;
            if row.current && !unused {
                continue;
            }
            if let Ok(_held) = Held::alone(&self.locks().join(&row.id), &owner("removes it"))? {
                self.discard(&path)?;
                removed.push(row);
            }
        }
        self.collect_archives(keep)?;
        Ok(removed)
    }

    /// Archives of what is there no longer, or not used for `keep` seconds; they are made anew
    /// where sbuild or pbuilder asks for one.
    fn collect_archives(&self, keep: u64) -> Result<()> {
        let place = self.root.join("archives");
        for name in input::names(&place)? {
            let path = place.join(&name);
            let Some(of) = name.to_str().and_then(|name| name.strip_suffix(".tar")) else { continue };
            let there = input::is_directory(&self.root.join("layers").join(of));
            if !there || age(&path)? > keep {
                apply::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Out of the way at once, then removed; never into another file system.
    fn discard(&self, path: &Path) -> Result<()> {
        let work = Workroom::new(self.context, &self.root.join("work"))?;
        apply::rename(path, &work.path().join("gone"))?;
        let words = ["-rf", "--one-file-system", "--", "gone"];
        self.context.output("rm", Process::new("rm", words).directory(work.path())).map(|_| ())
    }
}

fn age(path: &Path) -> Result<u64> {
    let modified = input::modified(path)?;
    Ok(SystemTime::now().duration_since(modified).map_or(0, |time| time.as_secs()))
}
