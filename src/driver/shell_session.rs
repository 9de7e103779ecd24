//! `env shell`: a session with the terminal, gone when the shell ends.
//!
//! Owns what such a session stands on: the build tools, and where debian/control
//! is in the working directory, what it asks for; the directory is shown there.

use std::collections::BTreeMap;

use crate::debian::control;
use crate::error::Result;
use crate::input;

use super::context::Context;
use super::environment::Environments;
use super::process::{self, Ended};
use super::session::{Bind, PROCESSES, Session, Step, Upper, memory};

/// Where the working directory is in the session, read-only.
const SOURCE: &str = "/run/source";

/// Open it, or run `command` in it.
pub fn open(
    context: &Context<'_>,
    suite: &str,
    architecture: &str,
    network: bool,
    command: &[String],
) -> Result<Ended> {
    let all = Environments::new(context)?;
    let base = match input::text(&context.directory.join("debian/control"))? {
        Some(text) => all.dependencies(suite, architecture, &control::parse(&text)?, "full")?,
        None => all.tools(suite, architecture)?,
    };
    let mut environment = BTreeMap::new();
    environment.extend(context.environment.text("TERM").map(|term| ("TERM".to_owned(), term.to_owned())));
    let command = if command.is_empty() { vec!["bash".to_owned(), "-l".to_owned()] } else { command.to_vec() };
    let session = Session {
        layers: base.layers.clone(),
        upper: Upper::Memory(memory()?),
        mount_point: all.mount_point()?,
        network,
        binds: vec![Bind { from: context.directory.clone(), to: SOURCE.into(), writable: false }],
        commands: vec![Step { environment, command, ..Step::of("root", SOURCE, &[]) }],
        take: None,
        processes: PROCESSES,
        interactive: true,
        boot: None,
    };
    process::interactive(&session.process()?)
}
