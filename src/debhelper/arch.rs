//! Architectures: the values of dpkg-architecture, and wildcards.
//!
//! Mirrors `dpkg_architecture_value` of debhelper's `Dh_Lib.pm` (environment
//! first, else one call of dpkg-architecture, kept) and `debarch_is` of dpkg's
//! `Dpkg/Arch.pm` over dpkg's own tables. Difference: a DEB_* variable that is
//! set to nothing is ignored without a warning.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

use crate::debian::environment::Environment;
use crate::error::{Diagnostic, Error, Result};
use crate::plan::Process;
use crate::{apply, input};

/// Which machine a value speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// Where the package will run: DEB_HOST_*.
    Host,
    /// What the package makes code for: DEB_TARGET_*, for X-DH-Build-For-Type.
    Target,
}

/// What dpkg-architecture knows; asked only when the environment does not tell.
#[derive(Debug, Clone)]
pub struct Architectures {
    environment: Environment,
    asked: OnceLock<BTreeMap<String, String>>,
    tuples: OnceLock<Tuples>,
}

impl Architectures {
    /// The architectures of this environment. Nothing is read or started yet.
    pub fn new(environment: &Environment) -> Self {
        Self { environment: environment.clone(), asked: OnceLock::new(), tuples: OnceLock::new() }
    }

    /// A variable of dpkg-architecture(1), such as `DEB_HOST_MULTIARCH`; `None` if it knows none of that name.
    pub fn value(&self, variable: &str) -> Result<Option<&str>> {
        if let Some(value) = self.environment.filled(variable) {
            return Ok(Some(value));
        }
        Ok(self.asked()?.get(variable).map(String::as_str))
    }

    /// DEB_HOST_ARCH or DEB_TARGET_ARCH.
    pub fn name(&self, machine: Machine) -> Result<&str> {
        self.known(match machine {
            Machine::Host => "DEB_HOST_ARCH",
            Machine::Target => "DEB_TARGET_ARCH",
        })
    }

    /// DEB_HOST_ARCH_OS or DEB_TARGET_ARCH_OS.
    pub fn os(&self, machine: Machine) -> Result<&str> {
        self.known(match machine {
            Machine::Host => "DEB_HOST_ARCH_OS",
            Machine::Target => "DEB_TARGET_ARCH_OS",
        })
    }

    /// DEB_HOST_ARCH.
    pub fn host(&self) -> Result<&str> {
        self.name(Machine::Host)
    }

    /// Whether the field Architecture (names and wildcards) covers `machine`'s
    /// architecture. `!name` covers nothing, as in dpkg: the field has no negation (policy 5.6.8).
    pub fn covers(&self, field: &str, machine: Machine) -> Result<bool> {
        if field == "any" {
            return Ok(true);
        }
        let real = self.name(machine)?;
        for word in field.split_whitespace() {
            if self.is(real, word)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether architecture `real` is what `pattern`, a name or a wildcard, means: `dpkg-architecture -i`.
    pub fn is(&self, real: &str, pattern: &str) -> Result<bool> {
        if pattern == real || pattern == "any" {
            return Ok(true);
        }
        if self.tuples.get().is_none() {
            let _ = self.tuples.set(Tuples::read(&self.environment)?);
        }
        Ok(self.tuples.get().is_some_and(|tuples| tuples.is(real, pattern)))
    }

    fn known(&self, variable: &str) -> Result<&str> {
        self.value(variable)?.ok_or_else(|| {
            Diagnostic::error(format!("dpkg-architecture does not tell {variable}"))
                .hint("is dpkg-dev installed and working?")
                .into()
        })
    }

    fn asked(&self) -> Result<&BTreeMap<String, String>> {
        if self.asked.get().is_none() {
            let mut variables = self.environment.all().clone();
            variables.retain(|name, value| !(name.to_string_lossy().starts_with("DEB_") && value.is_empty()));
            let process = Process::new("dpkg-architecture", [] as [OsString; 0]).environment(&variables);
            let output = apply::capture(&process)?;
            if !output.success {
                let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(Error::failed(format!("dpkg-architecture: {}: {words}", output.status)));
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let values = text
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let _ = self.asked.set(values);
        }
        self.asked.get().ok_or_else(|| Error::failed("dpkg-architecture gave no answer"))
    }
}

/// Architecture name → its tuple (ABI, C library, kernel, CPU).
#[derive(Debug, Clone)]
struct Tuples(BTreeMap<String, [String; 4]>);

impl Tuples {
    fn read(environment: &Environment) -> Result<Self> {
        let directory = environment.filled("DPKG_DATADIR").unwrap_or("/usr/share/dpkg");
        let table = |name: &str| {
            let path = Path::new(directory).join(name);
            input::text(&path)?.ok_or_else(|| {
                Error::from(Diagnostic::error(format!("{} is not there", path.display())).hint("install dpkg"))
            })
        };
        Ok(Self::parse(&table("cputable")?, &table("tupletable")?))
    }

    /// The first entry for a name or a tuple counts.
    fn parse(cputable: &str, tupletable: &str) -> Self {
        let rows = |text: &'_ str| -> Vec<Vec<String>> {
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .filter(|row| row.len() >= 2)
                .collect()
        };
        let cpus: Vec<String> = rows(cputable).into_iter().map(|row| row[0].clone()).collect();
        let mut by_name: BTreeMap<String, String> = BTreeMap::new();
        let mut tuples = std::collections::BTreeSet::new();
        for row in rows(tupletable) {
            let (tuple, name) = (&row[0], &row[1]);
            if !tuple.contains("<cpu>") {
                tuples.insert(tuple.clone());
                by_name.insert(name.clone(), tuple.clone());
                continue;
            }
            for cpu in &cpus {
                let (tuple, name) = (tuple.replace("<cpu>", cpu), name.replace("<cpu>", cpu));
                if !by_name.contains_key(&name) && tuples.insert(tuple.clone()) {
                    by_name.insert(name, tuple);
                }
            }
        }
        let split = |(name, tuple): (String, String)| {
            let mut parts = tuple.splitn(4, '-').map(str::to_owned);
            Some((name, [parts.next()?, parts.next()?, parts.next()?, parts.next()?]))
        };
        Self(by_name.into_iter().filter_map(split).collect())
    }

    fn of_name(&self, name: &str) -> Option<[&str; 4]> {
        let short = name.strip_prefix("linux-").map_or(name, |rest| rest.split('-').next().unwrap_or(rest));
        self.0.get(short).map(|tuple| [&*tuple[0], &*tuple[1], &*tuple[2], &*tuple[3]])
    }

    fn of_pattern<'a>(&'a self, pattern: &'a str) -> Option<[&'a str; 4]> {
        let parts: Vec<&str> = pattern.splitn(4, '-').collect();
        if !parts.contains(&"any") {
            return self.of_name(pattern);
        }
        match parts[..] {
            [abi, libc, os, cpu] => Some([abi, libc, os, cpu]),
            [libc, os, cpu] => Some(["any", libc, os, cpu]),
            [os, cpu] => Some(["any", "any", os, cpu]),
            _ => Some(["any"; 4]),
        }
    }

    fn is(&self, real: &str, pattern: &str) -> bool {
        match (self.of_name(real), self.of_pattern(pattern)) {
            (Some(real), Some(pattern)) => real.iter().zip(pattern).all(|(real, word)| word == *real || word == "any"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_part_by_part() {
        let tuples = Tuples::parse(
            "amd64 x86_64 x 64 little\narm arm x 32 little\n",
            "eabihf-gnu-linux-arm armhf\nx32-gnu-linux-amd64 x32\nbase-gnu-linux-<cpu> <cpu>\nbase-gnu-hurd-<cpu> hurd-<cpu>\n",
        );
        assert!(tuples.is("amd64", "linux-any"));
        assert!(tuples.is("amd64", "any-amd64"));
        assert!(tuples.is("x32", "any-amd64"));
        assert!(tuples.is("armhf", "gnu-any-any"));
        assert!(tuples.is("amd64", "linux-amd64"));
        assert!(!tuples.is("hurd-amd64", "linux-any"));
        assert!(!tuples.is("amd64", "!hurd-amd64"));
        assert!(!tuples.is("amd64", "nonsense"));
    }

    #[test]
    fn the_environment_is_asked_first() {
        let environment = Environment::from_pairs([("DEB_HOST_ARCH", "armhf"), ("DEB_TARGET_ARCH", "riscv64")]);
        let architectures = Architectures::new(&environment);
        assert_eq!(architectures.host().unwrap(), "armhf");
        assert_eq!(architectures.name(Machine::Target).unwrap(), "riscv64");
        assert!(architectures.covers("amd64 armhf", Machine::Host).unwrap());
    }
}
