//! One package being worked on: everything that is read about it, and what
//! follows from that.
//!
//! The shell's body for every command of `appctl config` and `appctl maint`:
//! reads through [`super::fs`] and [`super::store`], has [`super::render`] and
//! [`super::decide`] think, [`super::check`] look, and [`super::transaction`] act.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::accounts::Accounts;
use super::check::{self, Verdict};
use super::decide::{self, Decision, Report, Snapshot, Step, Wanted};
use super::journal::Journal;
use super::look::Look;
use super::machine::Machine;
use super::manager::Outcome;
use super::overrides::{self, Overrides};
use super::package::{self, Package, SettingsFiles};
use super::programs::Fleet;
use super::render::{self, Rendering};
use super::secrets::Secrets;
use super::service;
use super::store::Store;
use super::transaction::{self, Besides};
use crate::configuration::layer::{Effective, OWN, Source};
use crate::error::{Diagnostic, Error, Result};
use crate::hex::hex;

/// What someone wants to be different.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Canonical values by setting, for our settings file.
    pub set: BTreeMap<String, String>,
    /// Settings that shall not be set there any longer; a secret is made anew.
    pub unset: BTreeSet<String>,
    /// Secrets by setting.
    pub secrets: BTreeMap<String, String>,
    /// Files that are the package's again, edited or deleted.
    pub restore: BTreeSet<String>,
}

/// What may be done to a package's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Read,
    /// An interrupted run is finished.
    Finish,
    /// The same, and the state is made where there is none.
    Write,
}

/// A package, with all that is known about it.
#[derive(Debug)]
pub struct Work<'a> {
    machine: &'a Machine,
    /// What it has installed.
    pub package: Package,
    /// The accounts of the root.
    pub accounts: Accounts,
    /// Owners and modes that its administrator has overridden.
    overrides: Overrides,
    /// Its settings files, with the change.
    pub files: SettingsFiles,
    /// Its secrets, with the change and complete.
    pub secrets: Secrets,
    /// What the journal says, after a recovery.
    pub journal: Journal,
    store: Option<Store>,
    restore: BTreeSet<String>,
    before: Before,
}

/// What is on the disk before a change.
#[derive(Debug)]
struct Before {
    files: SettingsFiles,
    secrets: Secrets,
    journal: Journal,
}

/// What follows from all that is known.
pub struct Prepared {
    /// What shall be.
    pub rendering: Rendering,
    /// What is.
    pub snapshot: Snapshot,
    /// What is done.
    pub decision: Decision,
    /// Digest of everything that decided it.
    inputs: String,
    /// What the checks had to say, though they stopped nothing.
    pub warnings: Vec<Diagnostic>,
}

impl<'a> Work<'a> {
    /// Read everything, and lock the package where it has state.
    pub fn open(machine: &'a Machine, name: &str, access: Access) -> Result<Self> {
        let package = Package::load(&machine.root, name)?;
        let store = Store::open(&machine.root, name, access == Access::Write)?;
        let (mut journal, secrets) = match &store {
            Some(store) => (store.journal()?, store.secrets()?),
            None => (Journal::default(), Secrets::default()),
        };
        let before = journal.clone();
        if let (Some(store), Access::Finish | Access::Write) = (&store, access) {
            transaction::recover(machine, &package.manifest, store, &mut journal)?;
        }
        let files = SettingsFiles::read(&machine.root, name)?;
        for warning in files.warnings() {
            machine.printer.diagnostic(&warning);
        }
        // Whatever a name in there is written in, it is not a package's account.
        let text = |path| {
            let bytes = machine.root.input(path)?.unwrap_or_default();
            Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let accounts = Accounts::parse(&text("/etc/passwd")?, &text("/etc/group")?);
        let overrides = Overrides::parse(&text(overrides::PATH)?);
        let before = Before { files: files.clone(), secrets: secrets.clone(), journal: before };
        let restore = BTreeSet::new();
        Ok(Self { machine, package, accounts, overrides, files, secrets, journal, store, restore, before })
    }

    /// Take a change in, in memory.
    pub fn change(&mut self, change: &Change) {
        let mut own = self.files.own(&self.package);
        own.retain(|name, _| !change.unset.contains(name));
        own.extend(change.set.clone());
        if !change.set.is_empty() || !change.unset.is_empty() {
            self.files.set_own(&self.package.name, &own);
        }
        self.secrets.secrets.retain(|name, _| !change.unset.contains(name));
        self.secrets.secrets.extend(change.secrets.clone());
        self.restore.extend(change.restore.clone());
    }

    /// The values that count, of the settings that have one already.
    pub fn effective(&self) -> Result<Effective> {
        self.package.effective(&self.files, &self.secrets.values())
    }

    /// Digest of everything that decides an apply.
    fn inputs(&self, wanted: &Wanted) -> String {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(bytes.len().to_le_bytes());
            hasher.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(&self.package.bytes);
        for (name, text) in self.package.templates.iter().chain(&self.files.texts) {
            add(name.as_bytes());
            add(text.as_bytes());
        }
        for (name, value) in self.secrets.values() {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        for file in &wanted.files {
            add(format!("{:?} {}", file.attributes, file.overridden).as_bytes());
        }
        add(format!("{:?} {:?}", wanted.directories, wanted.overridden).as_bytes());
        hex(&hasher.finalize())
    }

    /// Whether the last run had the same inputs, and nothing is left to do.
    fn is_settled(&self, wanted: &Wanted, inputs: &str) -> Result<bool> {
        let is_known = self.journal == self.before.journal && self.journal.inputs == inputs;
        if !is_known || !self.restore.is_empty() || !self.besides().is_nothing() {
            return Ok(false);
        }
        for path in wanted.directories.keys() {
            if self.machine.root.directory(path)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn besides(&self) -> Besides {
        let own = (self.files != self.before.files)
            .then(|| (package::own_path(&self.package.name), self.files.texts.get(OWN).cloned()));
        let secrets = (self.secrets != self.before.secrets).then(|| self.secrets.clone());
        Besides { secrets, own }
    }

    /// Think everything through, without checks. Makes missing secrets, in memory.
    pub fn prepare(&mut self) -> Result<Prepared> {
        let wanted = self.wanted()?;
        self.prepare_from(wanted)
    }

    fn wanted(&mut self) -> Result<Wanted> {
        self.secrets.complete(&self.package.manifest.settings)?;
        let wanted = render::attributes_of(&self.package, &self.accounts, &self.overrides)?;
        Ok(Wanted { restored: self.restore.clone(), ..wanted })
    }

    fn prepare_from(&self, wanted: Wanted) -> Result<Prepared> {
        let inputs = self.inputs(&wanted);
        let rendering = render::render(&self.package, wanted, &self.effective()?)?;
        let look = Look {
            root: &self.machine.root,
            package: &self.package.name,
            journal: &self.journal,
            store: self.store.as_ref(),
        };
        let snapshot = look.snapshot(&rendering.wanted)?;
        let decision = decide::decide(&rendering.wanted, &self.journal, &snapshot, &BTreeSet::new());
        Ok(Prepared { rendering, snapshot, decision, inputs, warnings: Vec::new() })
    }

    /// Bring about what is wanted. `always`: also say what state every file is in.
    pub fn apply(&mut self, always: bool) -> Result<Applied> {
        let wanted = self.wanted()?;
        if !always && self.is_settled(&wanted, &self.inputs(&wanted))? {
            return Ok(Applied::default());
        }
        let mut prepared = self.prepare_from(wanted)?;
        self.check_changes(&mut prepared)?;
        let besides = self.besides();
        let after = self.journal_after(&prepared);
        let Some(store) = &self.store else { return Err(Error::bug("the state of the package is not open")) };
        let decision = &prepared.decision;
        if !decision.is_nothing() || !decision.rendered.is_empty() || !besides.is_nothing() {
            let manifest = &self.package.manifest;
            transaction::carry_out(self.machine, manifest, store, &mut self.journal, decision, &besides, after)?;
        } else if after != self.before.journal {
            transaction::own(&self.machine.root, &self.package.manifest, store, decision, &besides)?;
            store.write_journal(&after)?;
            self.journal = after;
        }
        Ok(Applied { reports: prepared.decision.reports, warnings: prepared.warnings })
    }

    /// What the journal knows once a decision has been carried out.
    fn journal_after(&self, prepared: &Prepared) -> Journal {
        let wanted = &prepared.rendering.wanted;
        let mut links = BTreeMap::new();
        for (path, target) in &wanted.links {
            let found = prepared.snapshot.links.get(path);
            let record = self.journal.links.get(path);
            let placed =
                prepared.decision.steps.iter().any(|step| matches!(step, Step::Link { path: one, .. } if one == path));
            if placed || found == Some(&Some(target.clone())) {
                links.insert(path.clone(), target.clone());
            } else if let Some(record) = record {
                links.insert(path.clone(), record.clone());
            }
        }
        Journal {
            inputs: prepared.inputs.clone(),
            files: prepared.decision.records.clone(),
            directories: wanted.directories.clone(),
            links,
            pending: None,
            ..self.journal.clone()
        }
    }

    /// Let the checks look at what is going to be put in place. A merge that a
    /// check refuses is not made; anything else that is refused is an error.
    fn check_changes(&self, prepared: &mut Prepared) -> Result<()> {
        let (refused, warnings) = self.refused(prepared)?;
        prepared.warnings.extend(warnings);
        let merges = |path: &String| prepared.decision.merged.contains(path);
        let faults: Vec<Diagnostic> =
            refused.iter().filter(|(path, _)| !merges(path)).map(|(_, fault)| fault.clone()).collect();
        if !faults.is_empty() {
            return Err(Error::Failed(faults));
        }
        if !refused.is_empty() {
            let unmergeable = refused.keys().cloned().collect();
            let Prepared { rendering, snapshot, .. } = &*prepared;
            prepared.decision = decide::decide(&rendering.wanted, &self.journal, snapshot, &unmergeable);
        }
        Ok(())
    }

    fn refused(&self, prepared: &Prepared) -> Result<(BTreeMap<String, Diagnostic>, Vec<Diagnostic>)> {
        let mut refused = BTreeMap::new();
        let mut warnings = Vec::new();
        for step in &prepared.decision.steps {
            let Step::Place { path, contents, .. } = step else { continue };
            let same = prepared.snapshot.files.get(path).is_some_and(|found| found.bytes == *contents);
            if same || !prepared.decision.files.contains_key(path) {
                continue;
            }
            match self.verdict(&prepared.rendering, path, contents)? {
                Verdict::Good => {}
                Verdict::Refused(fault) => {
                    refused.insert(path.clone(), fault);
                }
                Verdict::NotRun(warning) => warnings.push(warning),
            }
        }
        Ok((refused, warnings))
    }

    /// What the check of the file at `path` says about `contents`; a refusal
    /// names the settings that may have led to it.
    pub fn verdict(&self, rendering: &Rendering, path: &str, contents: &[u8]) -> Result<Verdict> {
        let Some(file) = self.package.manifest.files.iter().find(|file| file.path == path) else {
            return Ok(Verdict::Good);
        };
        let mask = rendering.masks.get(path).cloned().unwrap_or_default();
        let verdict = check::check(self.machine, &self.package, &self.accounts, file, contents, &mask)?;
        Ok(match verdict {
            Verdict::Refused(fault) => Verdict::Refused(fault.hint(self.blame(rendering, path)?)),
            other => other,
        })
    }

    /// The settings of a file that are not the package's defaults.
    fn blame(&self, rendering: &Rendering, path: &str) -> Result<String> {
        let effective = self.effective()?;
        let uses = rendering.uses.get(path).map(Vec::as_slice).unwrap_or_default();
        let set = uses.iter().filter_map(|name| {
            let found = effective.get(name)?;
            match (found.source, &found.location) {
                (Source::Default, _) => None,
                (_, Some(place)) => Some(format!("'{name}' ({place})")),
                (_, None) => Some(format!("'{name}'")),
            }
        });
        let set: Vec<String> = set.collect();
        Ok(if set.is_empty() {
            "nothing was changed; every setting in it is the package's default".to_owned()
        } else {
            format!("nothing was changed; look at the settings in it: {}", set.join(", "))
        })
    }

    /// Before a removal: purge, which is plain sh, knows where everything is.
    pub fn settle_owned(&self) -> Result<()> {
        self.store.as_ref().map_or(Ok(()), |store| transaction::settle_owned(&self.machine.root, store))
    }

    /// Finish an interrupted run, and nothing else.
    pub fn settle(&self) -> Result<()> {
        match &self.store {
            Some(store) if self.journal != self.before.journal => store.write_journal(&self.journal),
            _ => Ok(()),
        }
    }

    /// Take care of the programs whose configuration has changed.
    pub fn converge(&mut self) -> Result<Vec<Outcome>> {
        let before = self.journal.clone();
        let fleet = Fleet::open(self.machine, &self.package.name, self.store.as_ref())?;
        let outcomes = service::converge(self.machine, &self.package.manifest, fleet.as_ref(), &mut self.journal);
        if let (true, Some(store)) = (before != self.journal, &self.store) {
            store.write_journal(&self.journal)?;
        }
        Ok(outcomes)
    }
}

/// What an apply did.
#[derive(Debug, Default)]
pub struct Applied {
    /// A word about each path; empty where nothing had to be looked at.
    pub reports: Vec<Report>,
    /// What did not stop it.
    pub warnings: Vec<Diagnostic>,
}
