//! What a package is built for: a suite and an architecture, as pip sees them.
//!
//! Owns the table of suites and Debian's and Python's names of machines. Pure.

use std::path::PathBuf;

use crate::error::{Diagnostic, Error, Result, nearest};
use crate::python::interpreter::Interpreter;

/// A release of Debian: what is in it does not change any more, but for sid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Codename.
    pub name: &'static str,
    /// Version of python3.
    pub python: (u8, u8, u16),
    /// Minor version of glibc 2.
    pub glibc: u16,
}

/// The suites that are known.
pub const SUITES: [Suite; 3] = [
    Suite { name: "bookworm", python: (3, 11, 2), glibc: 36 },
    Suite { name: "trixie", python: (3, 13, 5), glibc: 41 },
    Suite { name: "sid", python: (3, 13, 5), glibc: 41 },
];

/// Debian's name of an architecture, the kernel's of the machine, and the oldest
/// glibc that wheels for it are made with (PEP 600).
const MACHINES: [(&str, &str, u16); 7] = [
    ("amd64", "x86_64", 5),
    ("arm64", "aarch64", 17),
    ("armhf", "armv7l", 17),
    ("i386", "i686", 5),
    ("ppc64el", "ppc64le", 17),
    ("riscv64", "riscv64", 31),
    ("s390x", "s390x", 17),
];

/// Architectures whose programs run on a machine of another without help.
const RELATIVES: [(&str, &str); 2] = [("amd64", "i386"), ("arm64", "armhf")];

/// Name under which the kernel knows the emulator that programs of `foreign` need on a
/// machine of `own` (binfmt_misc, as Debian's qemu packages enter it). `None`: none is needed.
pub fn emulator(own: &str, foreign: &str) -> Result<Option<String>> {
    let machine = machine(foreign)?.0;
    if own == foreign || RELATIVES.contains(&(own, foreign)) {
        return Ok(None);
    }
    Ok(Some(match machine {
        "armv7l" => "qemu-arm".to_owned(),
        "i686" => "qemu-i386".to_owned(),
        other => format!("qemu-{other}"),
    }))
}

/// The kernel's name of an architecture, and the oldest glibc of its wheels.
fn machine(architecture: &str) -> Result<(&'static str, u16)> {
    let known = MACHINES.into_iter().find(|(name, _, _)| *name == architecture);
    known.map(|(_, machine, oldest)| (machine, oldest)).ok_or_else(|| {
        let names = MACHINES.map(|(name, _, _)| name);
        Error::Usage(
            Diagnostic::error(format!("unknown architecture '{architecture}'"))
                .hint(format!("architectures are {}", names.join(", "))),
        )
    })
}

impl Suite {
    /// The suite of this name.
    pub fn named(name: &str) -> Result<Self> {
        let names = SUITES.map(|suite| suite.name);
        SUITES.into_iter().find(|suite| suite.name == name).ok_or_else(|| {
            Error::Usage(Diagnostic::error(format!("unknown suite '{name}'")).hint(match nearest(name, names) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("suites are {}", names.join(", ")),
            }))
        })
    }

    /// `3.11`.
    pub fn python_minor(&self) -> String {
        format!("{}.{}", self.python.0, self.python.1)
    }
}

/// The interpreter of a suite on an architecture: what wheels it takes, and what
/// environment markers say there.
pub fn interpreter(suite: Suite, architecture: &str) -> Result<Interpreter> {
    let (machine, oldest) = machine(architecture)?;
    let (major, minor, patch) = suite.python;
    let full = format!("{major}.{minor}.{patch}");
    let markers = [
        ("implementation_name", "cpython"),
        ("implementation_version", &full),
        ("os_name", "posix"),
        ("platform_machine", machine),
        ("platform_python_implementation", "CPython"),
        ("platform_release", ""),
        ("platform_system", "Linux"),
        ("platform_version", ""),
        ("python_full_version", &full),
        ("python_version", &suite.python_minor()),
        ("sys_platform", "linux"),
    ];
    Ok(Interpreter {
        executable: PathBuf::from(format!("/usr/bin/python{major}.{minor}")),
        version: suite.python,
        soabi: String::new(),
        standard_library: PathBuf::from(format!("/usr/lib/python{major}.{minor}")),
        base_prefix: "/usr".into(),
        is_virtual: false,
        tags: tags(minor, suite.glibc, machine, oldest),
        markers: markers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    })
}

/// Compatibility tags, best first (PEP 425, PEP 600), in the order of packaging.tags.
fn tags(minor: u8, glibc: u16, machine: &str, oldest: u16) -> Vec<String> {
    let platforms = platforms(glibc, machine, oldest);
    let mut tags = Vec::new();
    let mut each = |python: &str, abi: &str| {
        tags.extend(platforms.iter().map(|platform| format!("{python}-{abi}-{platform}")));
    };
    let own = format!("cp3{minor}");
    for abi in [own.as_str(), "abi3", "none"] {
        each(&own, abi);
    }
    for older in (2..minor).rev() {
        each(&format!("cp3{older}"), "abi3");
    }
    let pure: Vec<String> = [format!("py3{minor}"), "py3".to_owned()]
        .into_iter()
        .chain((0..minor).rev().map(|older| format!("py3{older}")))
        .collect();
    for python in &pure {
        each(python, "none");
    }
    tags.push(format!("{own}-none-any"));
    tags.extend(pure.iter().map(|python| format!("{python}-none-any")));
    tags
}

fn platforms(glibc: u16, machine: &str, oldest: u16) -> Vec<String> {
    let mut platforms = Vec::new();
    for version in (oldest..=glibc).rev() {
        platforms.push(format!("manylinux_2_{version}_{machine}"));
        let old = [(17, "manylinux2014"), (12, "manylinux2010"), (5, "manylinux1")];
        platforms.extend(old.iter().filter(|(at, _)| *at == version).map(|(_, name)| format!("{name}_{machine}")));
    }
    platforms.push(format!("linux_{machine}"));
    platforms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_some_architectures_need_an_emulator() {
        let of = |own, foreign| emulator(own, foreign).unwrap().unwrap_or_default();
        assert_eq!((of("amd64", "amd64"), of("amd64", "i386"), of("arm64", "armhf")), Default::default());
        assert_eq!((of("amd64", "arm64"), of("amd64", "armhf")), ("qemu-aarch64".into(), "qemu-arm".into()));
        assert_eq!((of("arm64", "i386"), of("i386", "amd64")), ("qemu-i386".into(), "qemu-x86_64".into()));
        assert!(matches!(emulator("amd64", "vax"), Err(Error::Usage(_))));
    }

    #[test]
    fn the_best_wheel_is_the_one_that_pip_takes() {
        let trixie = interpreter(Suite::named("trixie").unwrap(), "arm64").unwrap();
        let wheels = [
            "x-1-py3-none-any.whl",
            "x-1-cp38-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
            "x-1-cp313-cp313-manylinux_2_28_aarch64.whl",
            "x-1-cp313-cp313-manylinux_2_42_aarch64.whl",
            "x-1-cp313-cp313-musllinux_1_2_aarch64.whl",
            "x-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        ];
        assert_eq!(trixie.best_wheel(wheels.into_iter()), Some(2));
        let bookworm = interpreter(Suite::named("bookworm").unwrap(), "amd64").unwrap();
        assert_eq!(bookworm.best_wheel(wheels.into_iter()), Some(5));
        assert_eq!(bookworm.best_wheel(wheels[..3].iter().copied()), Some(0));
    }

    #[test]
    fn markers_are_those_of_the_target() {
        let environment =
            interpreter(Suite::named("bookworm").unwrap(), "armhf").unwrap().marker_environment().unwrap();
        for (marker, holds) in [
            ("python_version < '3.12' and sys_platform == 'linux'", true),
            ("platform_machine == 'armv7l'", true),
            ("python_full_version >= '3.11.3'", false),
            ("implementation_name != 'cpython'", false),
        ] {
            let tree: pep508_rs::MarkerTree = marker.parse().unwrap();
            assert_eq!(tree.evaluate(&environment, &[]), holds, "{marker}");
        }
    }

    #[test]
    fn unknown_suites_are_named() {
        let Err(Error::Usage(fault)) = Suite::named("bookwrm") else { panic!("no error") };
        assert_eq!(fault.hint.as_deref(), Some("did you mean 'bookworm'?"));
        assert!(interpreter(SUITES[0], "x86_64").is_err());
    }
}
