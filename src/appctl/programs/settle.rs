//! What a start comes to: the process is watched until it has stayed up as long
//! as it shall and serves, or its time is over.

use std::time::{Duration, Instant};

use super::health::{self, Answer};
use crate::appctl::machine::Machine;
use crate::configuration::program::{Health, Probe, Service};
use crate::error::Result;

/// How long a service manager may take until it says that a process runs, beyond
/// the time for which it must stay up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a process without a health check is looked at.
const PULSE: Duration = Duration::from_millis(100);

/// After this time what a process that is not up has to say counts.
const SETTLED: Duration = Duration::from_secs(1);

const NOT_UP: &str = "does not say that it is up";

/// A process as its service manager sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It is not up yet.
    Starting,
    /// It is up.
    Up,
    /// It has ended, and why.
    Ended(String),
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    /// How the process tells that it serves.
    pub health: Option<&'a Health>,
    /// How long it must stay up.
    pub stay: Duration,
}

/// Watch a process that has been started; `None`: it runs and serves, else what is wrong.
///
/// One that ends is given up at once, unless it has a health check: then the
/// service manager may start it again, until the check's deadline.
pub fn watch(
    machine: &Machine,
    service: &Service,
    wait: Wait<'_>,
    mut look: impl FnMut() -> Result<Life>,
) -> Result<Option<String>> {
    let began = Instant::now();
    let limit = wait.health.map_or(PATIENCE + wait.stay, |health| Duration::from_millis(health.deadline.into()));
    let pulse = wait.health.map_or(PULSE, |health| Duration::from_millis(health.interval.into()));
    loop {
        let mut left = limit.saturating_sub(began.elapsed());
        let why = match (look()?, wait.health) {
            (Life::Ended(why), None) => return Ok(Some(why)),
            (life @ (Life::Ended(_) | Life::Starting), Some(health)) => {
                // It may know already that it cannot come up before something else has.
                let is_command = matches!(health.probe, Probe::Command(_));
                if is_command && began.elapsed() >= SETTLED {
                    if let Answer::Waits(why) = health::ask(machine, service, health, left) {
                        return Ok(Some(format!("waits: {why}")));
                    }
                }
                match life {
                    Life::Ended(why) => why,
                    _ => NOT_UP.to_owned(),
                }
            }
            (Life::Starting, None) => NOT_UP.to_owned(),
            (Life::Up, _) if began.elapsed() < wait.stay => {
                left = left.min(wait.stay.saturating_sub(began.elapsed()));
                "does not stay up".to_owned()
            }
            (Life::Up, None) => return Ok(None),
            (Life::Up, Some(health)) => match health::ask(machine, service, health, left) {
                Answer::Serves => return Ok(None),
                Answer::Not(why) => format!("has started and does not serve: {why}"),
                Answer::Waits(why) => return Ok(Some(format!("waits: {why}"))),
            },
        };
        if began.elapsed() >= limit {
            return Ok(Some(why));
        }
        std::thread::sleep(pulse.min(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appctl::fs::Root;
    use crate::configuration::program::{Choice, OnFailure};
    use crate::message::Printer;

    fn watched(health: Option<&Health>, stay: u64, lives: &[Life]) -> (Option<String>, Duration) {
        let machine = Machine {
            root: Root::open(std::path::Path::new("/")).unwrap(),
            environment: [].into(),
            in_maintainer_script: false,
            is_root: false,
            printer: Printer::new("appctl", false, false, None),
            json: false,
        };
        let service = Service {
            name: "web".to_owned(),
            backend: Choice::Systemd,
            order: 999,
            autostart: true,
            start_seconds: 1,
            stop_seconds: 10,
            on_failure: OnFailure::Warn,
            user: None,
            instances: Vec::new(),
            systemd: None,
            supervisord: None,
        };
        let mut seen = lives.iter();
        let began = Instant::now();
        let wait = Wait { health, stay: Duration::from_millis(stay) };
        let end = watch(&machine, &service, wait, || Ok(seen.next().or(lives.last()).unwrap().clone())).unwrap();
        (end, began.elapsed())
    }

    fn command(words: &[&str], deadline: u32) -> Health {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Health { probe: Probe::Command(words), interval: 10, deadline, privileges: false }
    }

    #[test]
    fn what_ends_is_given_up_unless_it_may_come_back() {
        let ended = || Life::Ended("it has ended".to_owned());
        assert_eq!(watched(None, 1000, &[Life::Up, ended()]).0.as_deref(), Some("it has ended"));
        assert_eq!(watched(Some(&command(&["/bin/true"], 5000)), 0, &[ended(), ended(), Life::Up]).0, None);
        let (end, took) = watched(Some(&command(&["/bin/true"], 100)), 0, &[ended()]);
        assert!(end.is_some() && took < Duration::from_secs(3), "{end:?} {took:?}");
    }

    #[test]
    fn what_waits_for_something_else_is_not_waited_for() {
        let waits = command(&["/bin/sh", "-c", "echo the server is away; exit 75"], 60_000);
        let why = Some("waits: the server is away".to_owned());
        assert_eq!(watched(Some(&waits), 0, &[Life::Up]).0, why);
        let (end, took) = watched(Some(&waits), 0, &[Life::Ended("it has ended".to_owned())]);
        assert_eq!(end, why);
        assert!(took >= SETTLED && took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn it_must_stay_up_and_serve() {
        let (end, took) = watched(None, 300, &[Life::Starting, Life::Up]);
        assert!(end.is_none() && took >= Duration::from_millis(300), "{end:?} {took:?}");
        assert_eq!(watched(None, 0, &[Life::Up]).0, None);
        let end = watched(Some(&command(&["/bin/false"], 100)), 0, &[Life::Up]).0;
        assert!(end.unwrap().contains("does not serve"));
    }
}
