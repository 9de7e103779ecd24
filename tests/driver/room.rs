//! An environment for the tests, made once and kept in the cache, and small sources to build in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{harness, ok, program, sh};

const SUITE: harness::Suite = harness::Suite::Bookworm;

/// Where the driver's caches of the tests lie: `XDG_CACHE_HOME`.
pub fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let cache = harness::cache_dir().join("driver");
        std::fs::create_dir_all(&cache).unwrap();
        let image = harness::image_directory(SUITE, harness::Kind::Run);
        let recipe = cache.join("deb-build-app/environments/bookworm-amd64/recipe.json");
        let recipe = std::fs::read_to_string(recipe).unwrap_or_default();
        // Another image than last time makes another environment.
        if !recipe.contains(&format!("\"{}\"", image.display())) {
            let mut command = program(&cache);
            command.env("XDG_CACHE_HOME", &cache).args(["env", "create", "bookworm", "--from"]).arg(&image);
            ok(&mut command);
        }
        cache
    })
}

/// A source package of its own for a test.
pub struct Source {
    pub work: tempfile::TempDir,
}

impl Source {
    /// `name` with these lines in the build target of debian/rules.
    pub fn new(name: &str, build: &[&str]) -> Source {
        let source = Source { work: tempfile::tempdir().unwrap() };
        let directory = source.path();
        sh(source.work.path(), "mkdir -p app/debian/source");
        let write = |file: &str, text: String| std::fs::write(directory.join(file), text).unwrap();
        write(
            "debian/control",
            format!(
                "Source: {name}\nSection: misc\nPriority: optional\nMaintainer: A Person <a@example.org>\nBuild-Depends: debhelper-compat (= 13)\nStandards-Version: 4.6.2\n\nPackage: {name}\nArchitecture: all\nDepends: ${{misc:Depends}}\nDescription: small package\n It has one file.\n"
            ),
        );
        let lines: String = build.iter().map(|line| format!("\t{line}\n")).collect();
        write("debian/rules", format!("#!/usr/bin/make -f\n%:\n\tdh $@\noverride_dh_auto_build:\n\ttrue\n{lines}"));
        write("debian/source/format", "3.0 (native)\n".to_owned());
        write("debian/install", format!("data usr/share/{name}\n"));
        write("data", "x\n".to_owned());
        write(
            "debian/changelog",
            format!(
                "{name} (1.0) unstable; urgency=medium\n\n  * First package.\n\n -- A Person <a@example.org>  Tue, 14 Nov 2023 22:13:20 +0000\n"
            ),
        );
        write("debian/copyright", "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: 2023 A Person\nLicense: GPL-3+\n On Debian systems, see /usr/share/common-licenses/GPL-3.\n".to_owned());
        sh(&directory, "chmod 755 debian/rules");
        source
    }

    pub fn path(&self) -> PathBuf {
        self.work.path().join("app")
    }

    /// The driver in this source, with the cache of the tests.
    pub fn program(&self, words: &[&str]) -> Command {
        let mut command = program(&self.path());
        command.env("XDG_CACHE_HOME", cache()).env_remove("DEB_BUILD_OPTIONS").args(words);
        command
    }

    /// Where results of a build go.
    pub fn results(&self, name: &str) -> PathBuf {
        self.work.path().join(format!("build-area/bookworm/{name}/1.0/amd64"))
    }
}
