//! A program that a new version hands to the other service manager, or runs
//! under other names, is there what it was here: running, stopped or disabled.
//!
//! All of it is put down before anything is stopped, so that a run after one
//! that was killed still knows it: what ran and what rested in appctl's state,
//! what was disabled in the words of the manager that it moves to.

use std::collections::BTreeSet;

use super::systemd::instances;
use super::{Fleet, supervisord};
use crate::configuration::manifest::Backend;
use crate::configuration::program::{Choice, Service};
use crate::error::Result;

impl Fleet<'_> {
    /// Note how those programs stand that are about to move.
    pub(super) fn carry(&self) -> Result<()> {
        let Some(last) = self.last.as_ref().filter(|_| self.machine.root.is_machine()) else { return Ok(()) };
        let sections = last.fragment.as_ref().map(|fragment| self.disabled(fragment)).transpose()?.unwrap_or_default();
        let mut moved = false;
        for old in &last.programs {
            let Some(new) = self.programs.programs.iter().find(|new| new.name == old.name) else { continue };
            let (from, to) = (old.backend.chosen(self.auto), new.backend.chosen(self.auto));
            let renamed = names(old, from) != names(new, to);
            if from == to && !renamed && (from == Backend::Supervisord || enabled(old) == enabled(new)) {
                continue;
            }
            moved = true;
            if self.was_disabled(old, from, &sections)? {
                self.disable(old, from, new, to)?;
            }
            if from != to || renamed {
                self.note_state(old, from, new, to)?;
            }
        }
        match last.fragment.as_ref().filter(|_| moved && !sections.is_empty()) {
            // A move back must not find what has been said since.
            Some(fragment) => self.prune_disabled(fragment),
            None => Ok(()),
        }
    }

    /// Whether an administrator has disabled it, where it was.
    fn was_disabled(&self, old: &Service, from: Backend, sections: &BTreeSet<String>) -> Result<bool> {
        Ok(match from {
            Backend::Supervisord => old.supervisord.as_ref().is_some_and(|group| sections.contains(&group.section)),
            Backend::Systemd if old.autostart => {
                let mut is_disabled = false;
                for unit in enabled(old) {
                    is_disabled |= !self.run(&["deb-systemd-helper", "--quiet", "was-enabled", unit])?.is_success();
                }
                is_disabled
            }
            Backend::Systemd => false,
        })
    }

    fn disable(&self, old: &Service, from: Backend, new: &Service, to: Backend) -> Result<()> {
        match (to, &new.supervisord, &self.programs.fragment) {
            (Backend::Systemd, ..) => {
                if new.backend == Choice::Auto && new.autostart {
                    // Known as the package's own first, so that it is not enabled again later.
                    self.enable_once(new)?;
                }
                for unit in enabled(new) {
                    if from != to || !enabled(old).contains(unit) {
                        self.run(&["systemctl", "disable", "--", unit])?;
                    }
                }
            }
            (Backend::Supervisord, Some(group), Some(fragment)) => {
                let mut sections = self.disabled(fragment)?;
                sections.insert(group.section.clone());
                self.write_disabled(fragment, &sections)?;
            }
            (Backend::Supervisord, ..) => {}
        }
        Ok(())
    }

    /// Whether it ran or somebody had stopped it; neither where its manager is away.
    fn note_state(&self, old: &Service, from: Backend, new: &Service, to: Backend) -> Result<()> {
        let names = names(new, to);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if names.iter().any(|name| self.was_interrupted(name) || self.is_at_rest(name)) {
            // By a run that was killed: what is seen now is its doing.
            return Ok(());
        }
        let was_up = match from {
            Backend::Systemd if !self.has_systemd()? || !self.permits("stop", enabled(old))? => None,
            Backend::Systemd => Some(self.see(instances(old))?.iter().any(super::systemd::Seen::is_up)),
            Backend::Supervisord => {
                let states = self.states()?.unwrap_or_default();
                let processes = supervisord::processes(old);
                let known: Vec<_> = processes.iter().filter_map(|process| states.get(process)).collect();
                (!known.is_empty()).then(|| known.iter().any(|state| state.is_up()))
            }
        };
        match was_up {
            Some(true) => self.interrupt(&names),
            Some(false) => self.leave_at_rest(&names),
            None => Ok(()),
        }
    }
}

/// Its processes, as this manager calls them.
fn names(service: &Service, backend: Backend) -> Vec<String> {
    match backend {
        Backend::Systemd => instances(service).map(str::to_owned).collect(),
        Backend::Supervisord => supervisord::processes(service),
    }
}

fn enabled(service: &Service) -> &[String] {
    service.systemd.as_ref().map(|units| units.enable.as_slice()).unwrap_or_default()
}
