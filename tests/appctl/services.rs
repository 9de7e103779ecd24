//! `appctl service converge` with a real supervisord.

use std::path::Path;
use std::sync::OnceLock;

use crate::harness::{Kind, Session, Suite};
use crate::machine::notes;

/// A machine with supervisord, the package `notes` whose program `notes:web` it
/// runs, and a program of somebody else's. The functions of `HELPERS` are at hand.
fn supervised() -> Session {
    static FIRST: OnceLock<Session> = OnceLock::new();
    FIRST.get_or_init(installed).fork()
}

fn installed() -> Session {
    let session = Session::new(Suite::Bookworm, Kind::Run).offline();
    session.ok("apt-get install -y --no-install-recommends supervisor >/dev/null 2>&1 && useradd --system notes");
    session.copy_in(Path::new(env!("CARGO_BIN_EXE_appctl")), "/usr/bin/appctl");
    let mut manifest = notes();
    manifest["programs"] = serde_json::json!([{"name": "web", "backend": "supervisord", "unit": "notes:web"}]);
    session.write("/usr/share/appctl/notes/manifest.json", &manifest.to_string());
    session.write("/usr/share/appctl/notes/templates/notes.ini.hbs", "listen = {{listen}}\nkey = {{session_key}}\n");
    session.write("/usr/share/appctl/notes/templates/workers.conf.hbs", "{{workers}}\n");
    let program = |group: &str| {
        format!(
            "[program:{group}]\nprocess_name = web\nstartsecs = 0\n\
             command = sh -c 'echo start >>/run/starts.{group}; cp /etc/notes/notes.ini /run/seen; exec sleep 1000'\n"
        )
    };
    session.write("/etc/supervisor/conf.d/notes.conf", &program("notes"));
    session.write("/etc/supervisor/conf.d/other.conf", &program("other"));
    session
}

const HELPERS: &str = r#"
set -eu
pid() { supervisorctl pid "$1:web"; }
up() { for _ in $(seq 100); do case $(supervisorctl status "$1:web") in *RUNNING*) return 0 ;; esac; sleep 0.1; done; return 1; }
mkdir -p /etc/notes/settings.d
appctl maint postinst notes configure ''
/usr/bin/supervisord -c /etc/supervisor/supervisord.conf
for _ in $(seq 100); do supervisorctl status >/dev/null && break || [ $? = 3 ] || sleep 0.1; done
up notes; up other
appctl service converge notes
other=$(pid other)
before=$(pid notes)
"#;

fn check(script: &str) {
    let session = supervised();
    session.ok(&format!("{HELPERS}\n{script}\n[ \"$(pid other)\" = \"$other\" ]\nsupervisorctl shutdown >/dev/null"));
}

#[test]
fn a_change_starts_what_depends_on_it_once() {
    check(
        "[ \"$(wc -l </run/starts.notes)\" = 1 ]
         appctl config set notes listen=0.0.0.0:9 workers=3 2>&1 | grep 'notes:web: restarted'
         up notes
         [ \"$(pid notes)\" != \"$before\" ]
         [ \"$(wc -l </run/starts.notes)\" = 2 ]
         grep 'listen = 0.0.0.0:9' /run/seen
         appctl service converge notes
         appctl config set notes workers=4
         [ \"$(wc -l </run/starts.notes)\" = 2 ]",
    );
}

/// Killed between the change and the converge: the next converge does it. Started
/// by somebody else meanwhile: it does nothing.
#[test]
fn a_restart_is_neither_lost_nor_made_twice() {
    check(
        "echo 'listen = 0.0.0.0:9' >/etc/notes/settings.d/70-a.conf
         appctl maint postinst notes configure 1
         appctl status notes && exit 1 || [ $? = 3 ]
         appctl service converge notes
         up notes
         [ \"$(wc -l </run/starts.notes)\" = 2 ]
         echo 'listen = 0.0.0.0:8' >/etc/notes/settings.d/70-a.conf
         appctl maint postinst notes configure 1
         supervisorctl restart notes:web
         up notes
         appctl --json service converge notes | grep up-to-date
         [ \"$(wc -l </run/starts.notes)\" = 3 ]
         appctl status notes",
    );
}

#[test]
fn what_was_stopped_stays_stopped_and_policy_is_heeded_in_scripts() {
    check(
        "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
         chmod +x /usr/sbin/policy-rc.d
         echo 'listen = 0.0.0.0:9' >/etc/notes/settings.d/70-a.conf
         DPKG_MAINTSCRIPT_PACKAGE=notes appctl maint postinst notes configure 1
         DPKG_MAINTSCRIPT_PACKAGE=notes appctl --json service converge notes | grep forbidden
         [ \"$(pid notes)\" = \"$before\" ]
         supervisorctl stop notes:web
         appctl --json config set notes listen=0.0.0.0:7
         rm /etc/notes/settings.d/70-a.conf
         appctl --json config apply notes | grep not-running
         [ \"$(wc -l </run/starts.notes)\" = 1 ]
         supervisorctl shutdown >/dev/null
         sleep 1
         appctl --json config set notes listen=0.0.0.0:6 | grep no-manager
         supervisord -c /etc/supervisor/supervisord.conf
         for _ in $(seq 100); do supervisorctl status >/dev/null && break || [ $? = 3 ] || sleep 0.1; done
         up other; other=$(pid other)",
    );
}
