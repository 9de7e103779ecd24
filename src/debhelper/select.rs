//! Which packages a run acts on.
//!
//! Mirrors `getpackages`, `AddPackage`, `ExcludePackage` and the second half of
//! `parseopts` in debhelper's `Dh_Lib.pm` and `Dh_Getopt.pm`, and
//! `evaluate_restriction_formula` of dpkg's `Dpkg/BuildProfiles.pm`.
//! Differences: the packages come in the order of debian/control, not of the
//! options; `--dbg-package` must name a package also where debhelper 13.11
//! does not look; an empty selection ends the run also where no option was given.

use std::collections::{BTreeMap, BTreeSet};

use super::arch::{Architectures, Machine};
use crate::cli::{Origin, Request, Wanted};
use crate::debian::control::Binary;
use crate::debian::environment::Environment;
use crate::error::{Diagnostic, Error, Result, Severity, nearest};

/// The packages that this build makes, by kind; in the order of debian/control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enabled {
    /// `Architecture: all`.
    pub indep: Vec<String>,
    /// Everything else.
    pub arch: Vec<String>,
}

/// Packages whose build profiles hold and whose architecture is built.
pub fn enabled(binaries: &[Binary], architectures: &Architectures, environment: &Environment) -> Result<Enabled> {
    let profiles = environment.build_profiles();
    let mut enabled = Enabled::default();
    for binary in binaries {
        if !binary.field("Build-Profiles").is_none_or(|formula| holds(formula, &profiles)) {
            continue;
        }
        let machine = if binary.for_target { Machine::Target } else { Machine::Host };
        if binary.architecture == "all" {
            enabled.indep.push(binary.name.clone());
        } else if !binary.architecture.is_empty() && architectures.covers(&binary.architecture, machine)? {
            enabled.arch.push(binary.name.clone());
        }
    }
    Ok(enabled)
}

/// A restriction formula such as `<!nocheck> <stage1 cross>`: or between the
/// brackets, and within them. An empty one holds.
fn holds(formula: &str, profiles: &[&str]) -> bool {
    let formula = formula.trim();
    let inner = formula.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(formula);
    let lists = split_lists(inner);
    lists.is_empty()
        || lists.iter().any(|list| {
            list.split_whitespace().all(|word| match word.strip_prefix('!').filter(|rest| !rest.is_empty()) {
                Some(profile) => !profiles.contains(&profile),
                None => profiles.contains(&word),
            })
        })
}

/// Perl's `split /\s*>\s+<\s*/`: white space between the brackets is needed.
fn split_lists(inner: &str) -> Vec<&str> {
    let mut lists = Vec::new();
    let mut rest = inner.trim();
    let mut from = 0;
    while let Some(at) = rest[from..].find('>').map(|at| from + at) {
        let after = rest[at + 1..].trim_start();
        if after.len() < rest.len() - at - 1 && after.starts_with('<') {
            lists.push(&rest[..at]);
            rest = &after[1..];
            from = 0;
        } else {
            from = at + 1;
        }
    }
    if !rest.is_empty() || !lists.is_empty() {
        lists.push(rest);
    }
    lists
}

/// The packages to act on, with what is to be said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names, in the order of debian/control; empty: there is nothing to do, and the run succeeds.
    pub packages: Vec<String>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Resolve the requests. `done` tells, for `--remaining-packages`, which
/// packages this helper's log names; empty where that option is not given.
pub fn select(
    binaries: &[Binary],
    enabled: &Enabled,
    requests: &[Request],
    done: &BTreeSet<String>,
    architectures: &Architectures,
) -> Result<Selection> {
    let mut state = State { binaries, enabled, ..State::default() };
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    let (internal, others): (Vec<&Request>, Vec<&Request>) =
        requests.iter().partition(|request| request.origin == Origin::Internal);
    for request in internal {
        state.take(request, &mut faults, &mut warnings);
    }
    state.only_exclude();
    for request in others {
        state.take(request, &mut faults, &mut warnings);
    }
    if let Some(fault) = faults.into_iter().next() {
        return Err(Error::Usage(fault));
    }
    state.finish(done, architectures, warnings)
}

#[derive(Default)]
struct State<'a> {
    binaries: &'a [Binary],
    enabled: &'a Enabled,
    requested: Option<Vec<String>>,
    kinds: bool,
    excluded: BTreeSet<String>,
    excluded_by_dh: BTreeSet<String>,
    explicit: BTreeSet<String>,
    disabled_request: bool,
}

impl Default for &Enabled {
    fn default() -> Self {
        static NONE: Enabled = Enabled { indep: Vec::new(), arch: Vec::new() };
        &NONE
    }
}

impl State<'_> {
    fn is_enabled(&self, package: &str) -> bool {
        self.enabled.indep.iter().chain(&self.enabled.arch).any(|name| name == package)
    }

    fn take(&mut self, request: &Request, faults: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) {
        let (name, option) = match &request.what {
            Wanted::Arch => {
                self.kinds = true;
                return self.requested.get_or_insert_default().extend(self.enabled.arch.iter().cloned());
            }
            Wanted::Indep => {
                self.kinds = true;
                return self.requested.get_or_insert_default().extend(self.enabled.indep.iter().cloned());
            }
            Wanted::Package(name) => (name, "--package"),
            Wanted::NotPackage(name) => (name, "--no-package"),
            Wanted::Debug(name) => (name, "--dbg-package"),
        };
        if !self.binaries.iter().any(|binary| binary.name == *name) {
            let names = self.binaries.iter().map(|binary| binary.name.as_str());
            let hint = match nearest(name, names.clone()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("debian/control has: {}", names.collect::<Vec<_>>().join(" ")),
            };
            let mut fault =
                Diagnostic::error(format!("{option} names '{name}', which debian/control does not have")).hint(hint);
            if request.origin == Origin::Arguments && !request.optional {
                faults.push(fault);
            } else {
                fault.severity = Severity::Warning;
                warnings.push(fault);
            }
            return;
        }
        match &request.what {
            Wanted::Package(_) => {
                self.explicit.insert(name.clone());
                if self.is_enabled(name) {
                    self.requested.get_or_insert_default().push(name.clone());
                } else {
                    self.disabled_request = true;
                }
            }
            Wanted::NotPackage(_) => {
                self.excluded.insert(name.clone());
            }
            _ => {}
        }
    }

    /// A selection in DH_INTERNAL_OPTIONS only takes the other packages away.
    fn only_exclude(&mut self) {
        if let Some(requested) = self.requested.take() {
            for binary in self.binaries.iter().filter(|binary| !requested.contains(&binary.name)) {
                self.excluded.insert(binary.name.clone());
                self.excluded_by_dh.insert(binary.name.clone());
            }
        }
        self.kinds = false;
    }

    fn finish(
        mut self,
        done: &BTreeSet<String>,
        architectures: &Architectures,
        mut warnings: Vec<Diagnostic>,
    ) -> Result<Selection> {
        const ALL_EXCLUDED: &str =
            "every requested package is left out of this build, by its build profiles or its architecture";
        let requested = self.requested.take().filter(|requested| !requested.is_empty());
        if requested.is_none() && (self.disabled_request || self.kinds) {
            if self.disabled_request {
                warnings.push(Diagnostic::warning(ALL_EXCLUDED));
            }
            if self.kinds {
                warnings.push(Diagnostic::warning("no package of the kind that -a or -i asks for is built here"));
            }
            return Ok(Selection { packages: Vec::new(), warnings });
        }
        let keep = |name: &String| !self.excluded.contains(name) && !done.contains(name);
        let wanted: BTreeSet<String> = match requested {
            Some(requested) => requested.into_iter().filter(keep).collect(),
            None => self.enabled.indep.iter().chain(&self.enabled.arch).filter(|name| keep(name)).cloned().collect(),
        };
        let packages: Vec<String> =
            self.binaries.iter().map(|binary| binary.name.clone()).filter(|name| wanted.contains(name)).collect();
        if packages.is_empty() {
            let all_left_out = !self.explicit.is_empty()
                && self.explicit.iter().all(|name| self.excluded_by_dh.contains(name) || !self.is_enabled(name));
            warnings.push(if all_left_out {
                Diagnostic::warning(ALL_EXCLUDED)
            } else {
                let declared: BTreeMap<&str, ()> =
                    self.binaries.iter().map(|binary| (binary.architecture.as_str(), ())).collect();
                Diagnostic::warning(format!(
                    "no package to act on; the host architecture is {}, the packages are for: {}",
                    architectures.host()?,
                    declared.into_keys().collect::<Vec<_>>().join(" ")
                ))
            });
        }
        Ok(Selection { packages, warnings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_or_between_and_within_brackets() {
        assert!(holds("<!nocheck>", &[]));
        assert!(!holds("<!nocheck>", &["nocheck"]));
        assert!(holds("<stage1>", &["stage1"]));
        assert!(!holds("<stage1>", &[]));
        assert!(!holds("<!a !b>", &["b"]));
        assert!(holds("<!a> <!b>", &["b"]));
        assert!(!holds("<!a> <!b>", &["a", "b"]));
        assert!(holds("", &[]));
    }
}
