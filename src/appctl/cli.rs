//! The command line of appctl, as typed; what it means is in [`super`].

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

/// Configuration of packaged services.
#[derive(Debug, Parser)]
#[command(name = "appctl", version, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(about = "Show and change the configuration of packaged services")]
pub struct Arguments {
    /// Work on the system in this directory, with its accounts
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Answer in JSON, an object a package, each on a line of its own
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show in what state the configuration of a package is
    Status {
        /// The package; all of them where none is named
        package: Option<String>,
    },
    /// Show, change and apply settings
    #[command(subcommand, arg_required_else_help = true)]
    Config(Config),
    /// Take care of a package's services
    #[command(subcommand, arg_required_else_help = true)]
    Service(Service),
    /// Take care of a database on a ZEO server
    #[command(subcommand, arg_required_else_help = true)]
    Bootstrap(Bootstrap),
    /// Do the part of a maintainer script; called by generated scripts alone
    #[command(hide = true)]
    Maint(Maint),
    /// End what a supervisord that was killed has left; called by supervisor.service alone
    #[command(hide = true)]
    EndOrphans,
    /// Put aside what is no log file where root opens log files; called by postinst alone
    #[command(hide = true)]
    MendLogs {
        /// The package
        package: String,
    },
    /// Say what may come next on a command line; called by the shells' completions alone
    #[command(hide = true, disable_help_flag = true)]
    Words {
        /// The words after the program's name; the last one is unfinished
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        word: Vec<String>,
    },
}

/// `appctl config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Show the settings that count, and where each comes from
    Show {
        /// The package
        package: String,
        /// One setting; its value alone is shown
        key: Option<String>,
    },
    /// Change settings, and bring about what follows
    Set(Set),
    /// Go back to what the other layers say; a secret is made anew
    Unset {
        /// The package
        package: String,
        /// The settings
        #[arg(required = true)]
        key: Vec<String>,
    },
    /// Show what applying would change; exit status 3 where it would change anything
    Diff {
        /// The package
        package: String,
    },
    /// Render every file and let its check look at it; change nothing
    Check {
        /// The package
        package: String,
    },
    /// Put the package's version of a file back, edited or deleted
    Restore {
        /// The package
        package: String,
        /// The files; an edited one is kept as FILE.appctl-old
        #[arg(required = true)]
        file: Vec<String>,
    },
    /// Bring the files up to date with the settings
    Apply {
        /// The packages; all of them where none is named
        package: Vec<String>,
    },
}

/// `appctl config set`
#[derive(Debug, Args)]
pub struct Set {
    /// The package
    pub package: String,
    /// Settings and their values; with --stdin the name of one setting
    #[arg(required = true, value_name = "KEY=VALUE")]
    pub setting: Vec<String>,
    /// Read the value from standard input, as every secret must be
    #[arg(long)]
    pub stdin: bool,
}

/// `appctl service …`
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Start, restart or reload what needs it, each program once
    Converge {
        /// The package
        package: String,
    },
    /// Show each process
    Status(Programs),
    /// Start what does not run
    Start(Programs),
    /// Stop what runs
    Stop(Programs),
    /// Stop and start, one process after another
    Restart(Programs),
    /// Let programs start by themselves
    Enable(Programs),
    /// Keep programs from starting by themselves, and stop them
    Disable(Programs),
}

/// What `appctl service …` is about.
#[derive(Debug, Args)]
pub struct Programs {
    /// The package
    pub package: String,
    /// One of its programs; all of them where it is left out
    pub program: Option<String>,
}

/// `appctl bootstrap …`
#[derive(Debug, Subcommand)]
pub enum Bootstrap {
    /// Show the servers, the first administrator and the version of the data
    Status {
        /// The package
        package: String,
    },
    /// Make the first administrator now, where the database has none
    Run {
        /// The package
        package: String,
    },
    /// Delete the first password from this machine
    Ack {
        /// The package
        package: String,
    },
    /// Give the administrator a new password, or make one anew
    ResetAdmin {
        /// The package
        package: String,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        stdin: bool,
    },
    /// Bring the data to this version
    Upgrade {
        /// The package
        package: String,
        /// Also after an upgrade that was interrupted or has failed
        #[arg(long)]
        again: bool,
    },
}

impl Bootstrap {
    /// The package that it is about.
    pub fn package(&self) -> &str {
        match self {
            Self::Status { package }
            | Self::Run { package }
            | Self::Ack { package }
            | Self::ResetAdmin { package, .. }
            | Self::Upgrade { package, .. } => package,
        }
    }
}

/// `appctl maint`
#[derive(Debug, Args)]
pub struct Maint {
    /// postinst, prerm or postrm
    pub script: String,
    /// The package
    pub package: String,
    /// The script's own arguments; --answers: debconf's answers come on standard input
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// The definition, for the manual page and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}
