//! How it is told that a process serves: `health` of `[x-program:x]`, for each process.

use std::path::Path;

use super::expand::{self, Value};
use super::program::{self, Program};
use super::settings::{self, Extra};
use crate::configuration::program::Health;
use crate::error::{Diagnostic, Location};

/// The check of each process, in order; all `None` where there is none.
pub fn checks(package: &str, program: &Program, extra: &Extra, file: &Path) -> Result<Vec<Option<Health>>, Diagnostic> {
    let Some((text, line)) = &extra.health else { return Ok(vec![None; program.processes.len()]) };
    let fault = |why: String| {
        Diagnostic::error(format!("'health' of '{}' is {why}", program.name))
            .at(Location::line(file, *line))
            .hint("http://HOST:PORT/PATH, tcp://HOST:PORT, unix:///PATH or command:/PATH ARGUMENTS")
    };
    let mut checks = Vec::new();
    for (number, process) in (program.first..).zip(&program.processes) {
        let mut names = program::own(
            &program.name,
            &super::group_name(package, program.kind, &program.name),
            Value::Text("localhost".to_owned()),
        );
        names.insert("process_num".to_owned(), Value::Number(number));
        for (name, value) in &process.environment {
            names.insert(format!("ENV_{name}"), Value::Text(value.clone()));
        }
        let text = expand::expand(text, &names).map_err(|why| fault(format!("not understood: {why}")))?;
        let probe = settings::probe(&text).map_err(|why| fault(format!("'{text}', {why}")))?;
        let (interval, deadline, privileges) = (extra.interval, extra.deadline, extra.privileges);
        checks.push(Some(Health { probe, interval, deadline, privileges }));
    }
    Ok(checks)
}
