//! What a helper is about to do, as values.
//!
//! A [`Plan`] is a list of [`Action`]s. Its display is what `-v` prints, what
//! `--no-act` shows and what golden tests compare; [`crate::apply`] carries it
//! out. Nothing here touches a file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// A child process: the environment is complete, nothing is inherited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// Program, absolute or looked up in the PATH of `environment`.
    pub program: OsString,
    /// Arguments after the program's name.
    pub arguments: Vec<OsString>,
    /// The whole environment of the child.
    pub environment: BTreeMap<OsString, OsString>,
    /// Working directory; the source directory where absent.
    pub directory: Option<PathBuf>,
    /// Standard input; empty where absent.
    pub input: Option<Vec<u8>>,
}

impl Process {
    /// `program` with `arguments` and nothing else.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same, in the environment given.
    #[must_use]
    pub fn environment(mut self, environment: &BTreeMap<OsString, OsString>) -> Self {
        self.environment = environment.clone();
        self
    }

    /// The same, started in `directory`.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The same, with `input` as standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(directory) = &self.directory {
            write!(f, "cd {} && ", quote(&directory.to_string_lossy()))?;
        }
        f.write_str(&quote(&self.program.to_string_lossy()))?;
        for argument in &self.arguments {
            let argument = argument.to_string_lossy();
            // Scripts given with -c are our own embedded ones; their text says nothing here.
            let shown = if argument.contains('\n') { "…".into() } else { quote(&argument) };
            write!(f, " {shown}")?;
        }
        Ok(())
    }
}

/// One step that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a directory and its parents, mode 0755.
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// Write a file atomically (temporary file, rename), replacing what is there.
    Write {
        /// The file.
        path: PathBuf,
        /// All of its bytes.
        contents: Vec<u8>,
        /// Permission bits.
        mode: u32,
    },
    /// Write many files anew, mode 0644, into a tree that nobody reads meanwhile.
    Fill {
        /// Existing directory.
        tree: PathBuf,
        /// Paths below it, and all bytes of each.
        files: Vec<(PathBuf, Vec<u8>)>,
    },
    /// Add to the end of a file, which is made where absent.
    Append {
        /// The file.
        path: PathBuf,
        /// What is added.
        contents: Vec<u8>,
    },
    /// Make a symbolic link, replacing a file or link that is there.
    Symlink {
        /// Where the link stands.
        path: PathBuf,
        /// What it holds.
        target: PathBuf,
    },
    /// Remove a file or a whole tree, if it is there.
    Remove {
        /// File, link or directory.
        path: PathBuf,
    },
    /// Give a file its permission bits.
    Mode {
        /// The file.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
    },
    /// Give everything in a tree one modification time.
    Times {
        /// Directory, itself included.
        tree: PathBuf,
        /// Seconds since the epoch.
        epoch: i64,
    },
    /// Move a file or tree within one file system.
    Rename {
        /// What is there.
        from: PathBuf,
        /// Where it goes; nothing may be there.
        to: PathBuf,
    },
    /// Copy a tree (contents, modes, links) without the top-level names given.
    CopyTree {
        /// Existing directory.
        from: PathBuf,
        /// Directory to make.
        to: PathBuf,
        /// Names directly under `from` that stay behind.
        without: Vec<OsString>,
    },
    /// Put a tree into another place on the same file system, file by file as
    /// hard links (copies where the file system refuses).
    LinkTree {
        /// Existing directory.
        from: PathBuf,
        /// Directory to make, or to add to.
        to: PathBuf,
    },
    /// Keep a tree as one file, which appears whole or not at all.
    Pack {
        /// Existing directory.
        tree: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// Take a packed tree out; what is no whole packed tree leaves nothing.
    Unpack {
        /// The file.
        file: PathBuf,
        /// Directory to make.
        tree: PathBuf,
    },
    /// Run a program; a non-zero exit status fails the plan.
    Run(Process),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| quote(&path.to_string_lossy());
        match self {
            Self::Directory { path: p } => write!(f, "install -m0755 -d {}", path(p)),
            Self::Write { path: p, contents, mode } => {
                write!(f, "write {} (mode {mode:04o}, {} bytes)", path(p), contents.len())
            }
            Self::Fill { tree, files } => {
                let bytes: usize = files.iter().map(|(_, contents)| contents.len()).sum();
                write!(f, "fill {} ({} files, {bytes} bytes)", path(tree), files.len())
            }
            Self::Append { path: p, contents } => {
                write!(f, "append to {} ({} bytes)", path(p), contents.len())
            }
            Self::Symlink { path: p, target } => write!(f, "ln -sfn {} {}", path(target), path(p)),
            Self::Remove { path: p } => write!(f, "rm -rf {}", path(p)),
            Self::Mode { path: p, mode } => write!(f, "chmod {mode:04o} {}", path(p)),
            Self::Times { tree, epoch } => write!(f, "touch -h -d @{epoch} {} (all of it)", path(tree)),
            Self::Rename { from, to } => write!(f, "mv {} {}", path(from), path(to)),
            Self::CopyTree { from, to, .. } => write!(f, "cp -a {} {}", path(from), path(to)),
            Self::LinkTree { from, to } => write!(f, "cp -al {} {}", path(from), path(to)),
            Self::Pack { tree, file } => write!(f, "tar -c -f {} -C {} .", path(file), path(tree)),
            Self::Unpack { file, tree } => write!(f, "tar -x -f {} -C {}", path(file), path(tree)),
            Self::Run(process) => write!(f, "{process}"),
        }
    }
}

/// Actions in the order in which they are carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The actions.
    pub actions: Vec<Action>,
}

impl Plan {
    /// A plan of these actions.
    pub fn new(actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect() }
    }

    /// Add an action at the end.
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Add another plan's actions at the end.
    pub fn extend(&mut self, other: Plan) {
        self.actions.extend(other.actions);
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        Ok(())
    }
}

/// A word as a POSIX shell would need it; plain words stay as they are.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_reads_as_a_shell_would_take_it() {
        let process = Process::new("uv", ["pip", "it's"]).directory("a b");
        assert_eq!(process.to_string(), r"cd 'a b' && uv pip 'it'\''s'");
    }
}
