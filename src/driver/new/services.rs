//! The services of a new debian/: programs for dh_supervisord, and their address,
//! secrets and environment for dh_appconfig. Pure.

use super::super::inspect::service::{Kind, Service};
use super::facts::{Facts, File, file};

/// Distributions whose programs serve an application.
pub const SERVERS: [&str; 5] = ["daphne", "gunicorn", "hypercorn", "uvicorn", "waitress"];
/// Characters that only a shell understands.
const SHELL: [char; 9] = ['&', '|', ';', '<', '>', '`', '(', ')', '*'];
/// Where the services read their environment.
fn environment_file(facts: &Facts) -> String {
    format!("/etc/{0}/{0}.env", facts.package)
}

/// The files that describe the services.
pub fn files(facts: &Facts) -> Vec<File> {
    let package = &facts.package;
    let mut files = vec![
        file(
            &format!("{package}.supervisord"),
            "the programs that run all the time, as services: dh_supervisord(1)",
            programs(facts),
        ),
        file(
            &format!("{package}.appconfig"),
            "what an administrator may set, and the files that are made of it: dh_appconfig(1)",
            settings(facts),
        ),
        file(
            &format!("appconfig/{package}.env.hbs"),
            "the environment of the services, a template",
            environment(facts),
        ),
    ];
    if facts.services.iter().any(|service| service.kind == Kind::Web) {
        let contents = health(facts);
        files.push(File {
            mode: 0o755,
            ..file(&format!("{package}-health"), "asks whether the service answers at its address", contents)
        });
    }
    files
}

/// The program's name of a command line, without what is set before it.
pub fn program(command: &str) -> Option<&str> {
    command.split_whitespace().find(|word| !assigns(word)).map(|word| word.rsplit('/').next().unwrap_or(word))
}

fn assigns(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

fn programs(facts: &Facts) -> String {
    let package = &facts.package;
    let mut text = "[x-supervisord]\nformat = 1\nbackend = systemd\n".to_owned();
    for service in &facts.services {
        let name = &service.name;
        let plain = resolved(facts, service);
        text.push_str(&format!("\n[program:{name}]\ncommand = {}\nuser = {package}\n", fixed(&plain)));
        if !facts.installable {
            text.push_str(&format!("directory = /usr/lib/{package}/app\n"));
        }
        text.push_str(&format!("\n[x-program:{name}]\ndescription = {}, {name}\n", title(facts)));
        if service.kind == Kind::Web {
            text.push_str(&format!("health = command:/usr/lib/{package}/{package}-health\n"));
        }
        text.push_str(&format!("\n[systemd:{name}]\nEnvironmentFile={}\nExecStart={plain}\n", environment_file(facts)));
    }
    text
}

fn title(facts: &Facts) -> String {
    facts.project.name.clone().unwrap_or_else(|| facts.package.clone())
}

/// A command as systemd takes it: the program of the virtual environment, variables in braces.
fn resolved(facts: &Facts, service: &Service) -> String {
    let bin = format!("/usr/lib/{}/venv/bin", facts.package);
    // The server calls the application factory: its parentheses are quoted and no shell's.
    let bare: String = service.command.split('\'').step_by(2).collect();
    let shell =
        bare.contains(SHELL) || bare.contains("$(") || service.command.split_whitespace().next().is_some_and(assigns);
    if shell {
        let words = service.command.replace('\\', "\\\\").replace('"', "\\\"");
        // $ stays the shell's.
        return format!("/bin/sh -c \"PATH={bin}:$$PATH; {}\"", words.replace('$', "$$").replace('%', "%%"));
    }
    let (program, rest) = service.command.split_once(char::is_whitespace).unwrap_or((&service.command, ""));
    let program = if program.contains('/') && !program.starts_with("./") {
        program.to_owned()
    } else {
        format!("{bin}/{}", program.trim_start_matches("./"))
    };
    format!("{program} {}", braced(rest.trim())).trim().replace('%', "%%")
}

/// `$PORT` and `${PORT:-8000}` as `${PORT}`: systemd replaces that within a word, too.
fn braced(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let inner = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let plain = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        let (name, after) = match inner {
            Some((inner, after)) => (&inner[..plain(inner)], after),
            None => rest.split_at(plain(rest)),
        };
        if name.is_empty() {
            result.push('$');
        } else {
            result.push_str(&format!("${{{name}}}"));
        }
        rest = after;
    }
    result + rest
}

/// The same command for supervisord, which knows no variables of a file: with the default address.
fn fixed(command: &str) -> String {
    command.replace("${LISTEN}", "127.0.0.1:8000").replace("${HOST}", "127.0.0.1").replace("${PORT}", "8000")
}

/// Variables that are secrets by their names.
fn secrets(facts: &Facts) -> Vec<&String> {
    let secret = |name: &&String| name.contains("SECRET") && (name.ends_with("KEY") || name.ends_with("SECRET"));
    facts.variables.iter().filter(secret).collect()
}

/// A setting's name for a variable.
fn setting(variable: &str) -> String {
    variable.to_lowercase()
}

fn settings(facts: &Facts) -> String {
    let package = &facts.package;
    let mut text = "Format: 1\n".to_owned();
    let web = facts.services.iter().any(|service| service.kind == Kind::Web);
    if web {
        text.push_str(&format!(
            "\nSetting: listen\nType: hostport\nDefault: 127.0.0.1:8000\nAsk: medium\nDescription: Address that {package} listens on\n \
             Keep it on a loopback address, behind a proxy that does TLS, unless the\n service itself asks who its visitors are.\n"
        ));
    }
    for variable in secrets(facts) {
        text.push_str(&format!(
            "\nSetting: {}\nType: secret\nLength: 50\nDescription: Value of {variable} for the services\n",
            setting(variable)
        ));
    }
    let restarts: Vec<String> = facts.services.iter().map(|service| format!("restart {}", service.name)).collect();
    text.push_str(&format!(
        "\nUser: {package}\nHome: /var/lib/{package}\n\
         \nDirectory: /var/lib/{package}\nOwner: {package}\nGroup: {package}\nMode: 0750\nPurge: remove\n\
         \nFile: {}\nTemplate: {package}.env.hbs\nEscape: systemd\nOwner: root\nGroup: {package}\nMode: 0640\nOn-Change: {}\n",
        environment_file(facts),
        restarts.join("\n ")
    ));
    text
}

fn environment(facts: &Facts) -> String {
    let mut text = format!("# Environment of the services of {}, written from its settings.\n", facts.package);
    if facts.services.iter().any(|service| service.kind == Kind::Web) {
        text.push_str("LISTEN={{listen}}\nHOST={{listen.host}}\nPORT={{listen.port}}\n");
    }
    let secrets = secrets(facts);
    for variable in &secrets {
        text.push_str(&format!("{variable}={{{{{}}}}}\n", setting(variable)));
    }
    let usual = ["HOME", "HOST", "LISTEN", "PATH", "PORT", "PWD", "USER"];
    let others = facts.variables.iter().filter(|name| !secrets.contains(name) && !usual.contains(&name.as_str()));
    let others: String = others.map(|name| format!("#{name}=\n")).collect();
    if !others.is_empty() {
        text.push_str("# The program reads these, too:\n");
        text.push_str(&others);
    }
    text
}

fn health(facts: &Facts) -> String {
    format!(
        "#!/bin/bash\n# Whether something listens where the services of {} shall.\n\
         . {}\nexec 3<>\"/dev/tcp/$HOST/$PORT\"\n",
        facts.package,
        environment_file(facts)
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::inspect::Project;
    use super::super::super::inspect::service::of_procfile;
    use super::super::debian::plan;
    use super::*;

    fn with(procfile: &str) -> Facts {
        Facts {
            project: Project { name: Some("Notes".into()), ..Project::default() },
            package: "notes".into(),
            installable: true,
            services: of_procfile(procfile),
            ..Facts::default()
        }
    }

    fn contents(facts: &Facts, name: &str) -> String {
        let path = std::path::Path::new("debian").join(name);
        plan(facts).into_iter().find(|file| file.path == path).map(|file| file.contents).unwrap_or_default()
    }

    #[test]
    fn processes_become_programs_with_an_address() {
        let facts = with("web: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: celery -A app worker\n");
        let text = contents(&facts, "notes.supervisord");
        assert!(text.contains("command = /usr/lib/notes/venv/bin/gunicorn app:app --bind 0.0.0.0:8000\n"), "{text}");
        assert!(text.contains("ExecStart=/usr/lib/notes/venv/bin/gunicorn app:app --bind 0.0.0.0:${PORT}\n"), "{text}");
        assert!(text.contains("[program:worker]\ncommand = /usr/lib/notes/venv/bin/celery -A app worker\n"), "{text}");
        let settings = contents(&facts, "notes.appconfig");
        assert!(settings.contains("On-Change: restart web\n restart worker\n"), "{settings}");
        assert!(contents(&facts, "control").contains("dh-sequence-appconfig,\n               dh-sequence-supervisord"));
        assert!(!contents(&with("worker: x\n"), "notes.appconfig").contains("listen"));
    }

    #[test]
    fn a_shell_s_command_is_left_to_a_shell() {
        let text = contents(&with("web: cd x && gunicorn app:app\n"), "notes.supervisord");
        assert!(
            text.contains("ExecStart=/bin/sh -c \"PATH=/usr/lib/notes/venv/bin:$$PATH; cd x && gunicorn app:app\"\n"),
            "{text}"
        );
        assert_eq!(braced("-b 0:${PORT:-5000} -w $N $ x"), "-b 0:${PORT} -w ${N} $ x");
    }

    #[test]
    fn secrets_are_made_and_other_variables_named() {
        let mut facts = with("web: gunicorn app:app\n");
        facts.variables = ["DATABASE_URL", "PORT", "SECRET_KEY"].map(str::to_owned).into();
        let text = contents(&facts, "appconfig/notes.env.hbs");
        assert!(
            text.contains("SECRET_KEY={{secret_key}}\n# The program reads these, too:\n#DATABASE_URL=\n"),
            "{text}"
        );
        assert!(contents(&facts, "notes.appconfig").contains("Setting: secret_key\nType: secret\n"));
    }
}
