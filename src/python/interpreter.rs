//! The interpreter that the venv is made for: what the probe says, and how it is named.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::error::{Diagnostic, Error, Result};

/// The probe: prints [`Interpreter`] as JSON.
pub const PROBE: &str = include_str!("../../share/python/probe.py");

/// An interpreter and what it can run.
#[derive(Debug, Clone, Deserialize)]
pub struct Interpreter {
    /// Real path, for example /usr/bin/python3.11.
    pub executable: PathBuf,
    /// Major, minor, patch.
    pub version: (u8, u8, u16),
    /// For example cpython-311-x86_64-linux-gnu.
    pub soabi: String,
    /// Directory of the standard library.
    pub standard_library: PathBuf,
    /// Installation prefix, /usr for Debian's.
    pub base_prefix: PathBuf,
    /// Whether it is itself inside a venv.
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
    /// Wheel tags that it can install, best first (PEP 425).
    pub tags: Vec<String>,
    /// Values for environment markers (PEP 508).
    pub markers: std::collections::BTreeMap<String, String>,
}

impl Interpreter {
    /// From the probe's output. `path` is the interpreter that was asked.
    pub fn parse(path: &Path, output: &[u8]) -> Result<Self> {
        let interpreter: Self = serde_json::from_slice(output).map_err(|error| {
            Error::from(
                Diagnostic::error(format!("{} does not answer like a Python interpreter: {error}", path.display()))
                    .hint("name a CPython 3 interpreter in the field Python"),
            )
        })?;
        if interpreter.is_virtual {
            return Err(Diagnostic::error(format!("{} is itself inside a venv", path.display()))
                .hint("name the interpreter that the target machines have, for example /usr/bin/python3")
                .into());
        }
        Ok(interpreter)
    }

    /// `3.11`.
    pub fn minor(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// `python3.11`: the name of Debian's package and of the program.
    pub fn name(&self) -> String {
        format!("python{}", self.minor())
    }

    /// Where bin/python points: /usr/bin/python3.N for Debian's, else the real path.
    pub fn target(&self) -> PathBuf {
        if self.is_debian() { Path::new("/usr/bin").join(self.name()) } else { self.executable.clone() }
    }

    /// Whether this is the distribution's own interpreter.
    pub fn is_debian(&self) -> bool {
        self.executable.parent() == Some(Path::new("/usr/bin"))
    }

    /// Marker environment for pep508_rs.
    pub fn marker_environment(&self) -> Result<pep508_rs::MarkerEnvironment> {
        let get = |name: &str| self.markers.get(name).map(String::as_str).unwrap_or_default();
        pep508_rs::MarkerEnvironment::try_from(pep508_rs::MarkerEnvironmentBuilder {
            implementation_name: get("implementation_name"),
            implementation_version: get("implementation_version"),
            os_name: get("os_name"),
            platform_machine: get("platform_machine"),
            platform_python_implementation: get("platform_python_implementation"),
            platform_release: get("platform_release"),
            platform_system: get("platform_system"),
            platform_version: get("platform_version"),
            python_full_version: get("python_full_version"),
            python_version: get("python_version"),
            sys_platform: get("sys_platform"),
        })
        .map_err(|error| Error::failed(format!("{}: unusable version: {error}", self.executable.display())))
    }

    /// The best of `wheels` (file names) for this interpreter: its index, by PEP 425 order
    /// and then by build number. `None` where none fits.
    pub fn best_wheel<'a>(&self, wheels: impl Iterator<Item = &'a str>) -> Option<usize> {
        wheels
            .enumerate()
            .filter_map(|(index, name)| {
                let wheel = WheelName::from_str(name).ok()?;
                let rank = self.tags.iter().position(|tag| wheel.has(tag))?;
                Some((rank, std::cmp::Reverse(wheel.build), index))
            })
            .min()
            .map(|(_, _, index)| index)
    }
}

/// A wheel's file name, taken apart (binary distribution format, file name convention).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Distribution, as written.
    pub name: String,
    /// Version, as written.
    pub version: String,
    /// Build number and rest, for sorting.
    pub build: (u64, String),
    python: Vec<String>,
    abi: Vec<String>,
    platform: Vec<String>,
}

impl WheelName {
    /// Whether a tag is one of those that the three sets make. There may be as many as
    /// the product of their sizes, which whoever names the file chooses.
    fn has(&self, tag: &str) -> bool {
        let mut parts = tag.splitn(3, '-');
        let mut within = |set: &[String]| parts.next().is_some_and(|part| set.iter().any(|own| own == part));
        within(&self.python) && within(&self.abi) && within(&self.platform)
    }
}

impl FromStr for WheelName {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        let stem = name.strip_suffix(".whl").ok_or(())?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (build, tail) = match parts.len() {
            5 => ("", &parts[2..]),
            6 => (parts[2], &parts[3..]),
            _ => return Err(()),
        };
        let digits: String = build.chars().take_while(char::is_ascii_digit).collect();
        let set = |text: &str| text.split('.').map(str::to_owned).collect();
        Ok(Self {
            name: parts[0].to_owned(),
            version: parts[1].to_owned(),
            build: (digits.parse().unwrap_or(0), build[digits.len()..].to_owned()),
            python: set(tail[0]),
            abi: set(tail[1]),
            platform: set(tail[2]),
        })
    }
}

/// Bookworm's python3, for tests.
#[cfg(test)]
pub fn sample() -> Interpreter {
    let markers = [
        ("implementation_name", "cpython"),
        ("implementation_version", "3.11.2"),
        ("os_name", "posix"),
        ("platform_machine", "x86_64"),
        ("platform_python_implementation", "CPython"),
        ("platform_system", "Linux"),
        ("python_full_version", "3.11.2"),
        ("python_version", "3.11"),
        ("sys_platform", "linux"),
    ];
    Interpreter {
        executable: "/usr/bin/python3.11".into(),
        version: (3, 11, 2),
        soabi: String::new(),
        standard_library: "/usr/lib/python3.11".into(),
        base_prefix: "/usr".into(),
        is_virtual: false,
        tags: Vec::new(),
        markers: markers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python311() -> Interpreter {
        let tags = [
            "cp311-cp311-manylinux_2_36_x86_64",
            "cp311-cp311-manylinux2014_x86_64",
            "cp38-abi3-manylinux2014_x86_64",
            "py3-none-any",
        ];
        Interpreter { tags: tags.map(str::to_owned).to_vec(), ..sample() }
    }

    #[test]
    fn the_most_specific_wheel_wins_and_foreign_ones_never() {
        let names = [
            "a-1-py3-none-any.whl",
            "a-1-cp311-cp311-manylinux2014_x86_64.whl",
            "a-1-cp312-cp312-manylinux_2_36_x86_64.whl",
        ];
        assert_eq!(python311().best_wheel(names.into_iter()), Some(1));
        assert_eq!(python311().best_wheel(["a-1-cp312-cp312-win32.whl"].into_iter()), None);
        let compressed = ["a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"];
        assert_eq!(python311().best_wheel(compressed.into_iter()), Some(0));
        // The product of these sets has no end in sight.
        let many = "x.".repeat(10_000);
        let name = format!("a-1-{many}py3-{many}none-{many}any.whl");
        assert_eq!(python311().best_wheel([name.as_str()].into_iter()), Some(0));
    }

    #[test]
    fn of_two_builds_the_later_one_wins() {
        let names = ["a-1-2-py3-none-any.whl", "a-1-10-py3-none-any.whl"];
        assert_eq!(python311().best_wheel(names.into_iter()), Some(1));
    }

    #[test]
    fn a_virtual_environment_is_no_interpreter_to_build_on() {
        let output = br#"{"executable":"/x","version":[3,11,2],"soabi":"","standard_library":"/l","base_prefix":"/usr","virtual":true,"tags":[],"markers":{}}"#;
        assert!(Interpreter::parse(Path::new("/x"), output).is_err());
    }
}
