//! The programs of a project that run all the time: what its Procfile or its code says. Pure.

use std::collections::BTreeSet;

/// How requests reach a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It listens on an address.
    Web,
    /// Nobody connects to it.
    Worker,
}

/// A program that runs all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `web`, `worker` …
    pub name: String,
    /// Its command line; `$PORT` and the like stand for variables of its environment.
    pub command: String,
    /// How requests reach it.
    pub kind: Kind,
}

/// An application object in a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Application {
    /// `module:object` for a WSGI server.
    Wsgi(String),
    /// `module:object` for an ASGI server.
    Asgi(String),
    /// `module:object` of Celery.
    Celery(String),
}

/// `name: command` of each line of a Procfile.
pub fn procfile(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, command)| (name.trim().to_owned(), command.trim().to_owned()))
        .filter(|(name, command)| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                && !command.is_empty()
                && !command.contains(char::is_control)
        })
        .collect()
}

/// The services of a Procfile; `release` is no service.
pub fn of_procfile(text: &str) -> Vec<Service> {
    let kind = |name: &str, command: &str| {
        if name == "web" || command.contains("$PORT") || command.contains("${PORT") { Kind::Web } else { Kind::Worker }
    };
    let rows = procfile(text).into_iter().filter(|(name, _)| name != "release");
    rows.map(|(name, command)| Service { kind: kind(&name, &command), name: name.to_lowercase(), command }).collect()
}

/// The application objects that a module's text makes at its top level; `module` is its dotted name.
pub fn applications(module: &str, text: &str) -> BTreeSet<Application> {
    let mut found = BTreeSet::new();
    let last = module.rsplit('.').next().unwrap_or_default();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("def create_app(").or_else(|| line.strip_prefix("def make_app(")) {
            // A factory that needs arguments cannot be called by a server.
            let arguments = rest.split(')').next().unwrap_or_default();
            let free = arguments.split(',').all(|one| one.trim().is_empty() || one.contains('=') || one.contains('*'));
            let name = if line.starts_with("def create") { "create_app" } else { "make_app" };
            if free && rest.contains(')') && text.contains("Flask(") {
                found.insert(Application::Wsgi(format!("{module}:{name}()")));
            }
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.split(':').next().unwrap_or_default().trim_end(), value.trim_start());
        if line.starts_with([' ', '\t', '#'])
            || name.is_empty()
            || !name.chars().all(|c| c.is_alphanumeric() || c == '_')
        {
            continue;
        }
        let call = value.split('(').next().unwrap_or_default();
        let class = call.rsplit('.').next().unwrap_or_default().trim();
        let object = format!("{module}:{name}");
        match class {
            "Flask" => found.insert(Application::Wsgi(object)),
            "FastAPI" | "Starlette" | "Quart" | "Sanic" | "Litestar" => found.insert(Application::Asgi(object)),
            "Celery" => found.insert(Application::Celery(object)),
            "get_wsgi_application" => found.insert(Application::Wsgi(object)),
            "get_asgi_application" => found.insert(Application::Asgi(object)),
            _ if name == "application" && last == "wsgi" => found.insert(Application::Wsgi(object)),
            _ => false,
        };
    }
    found
}

/// The services that run what was found, where no Procfile says it. Of several
/// applications the one in the shortest module counts; Django has both kinds, and WSGI is the usual one.
pub fn of_applications(found: &BTreeSet<Application>) -> Vec<Service> {
    let shortest = |names: Vec<&String>| {
        let depth = |name: &String| (name.matches('.').count(), name.len(), name.clone());
        names.into_iter().min_by_key(|name| depth(name)).cloned()
    };
    let of = |pick: fn(&Application) -> Option<&String>| shortest(found.iter().filter_map(pick).collect());
    let wsgi = of(|one| if let Application::Wsgi(name) = one { Some(name) } else { None });
    let asgi = of(|one| if let Application::Asgi(name) = one { Some(name) } else { None });
    let celery = of(|one| if let Application::Celery(name) = one { Some(name) } else { None });
    let mut services = Vec::new();
    match (wsgi, asgi) {
        (Some(name), _) => services.push(Service {
            name: "web".into(),
            command: if name.ends_with(')') {
                format!("gunicorn --bind $LISTEN '{name}'")
            } else {
                format!("gunicorn --bind $LISTEN {name}")
            },
            kind: Kind::Web,
        }),
        (None, Some(name)) => services.push(Service {
            name: "web".into(),
            command: format!("uvicorn --host $HOST --port $PORT {name}"),
            kind: Kind::Web,
        }),
        (None, None) => {}
    }
    services.extend(celery.map(|name| Service {
        name: "worker".into(),
        command: format!("celery --app {} worker", name.split(':').next().unwrap_or_default()),
        kind: Kind::Worker,
    }));
    services
}

/// Names of environment variables that a module reads.
pub fn variables(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for call in ["environ[", "environ.get(", "getenv(", "environ.setdefault("] {
        for (at, _) in text.match_indices(call) {
            let rest = text[at + call.len()..].trim_start();
            let Some(quote) = rest.chars().next().filter(|c| *c == '"' || *c == '\'') else { continue };
            let name = rest[1..].split(quote).next().unwrap_or_default();
            let usual = name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            names.extend(usual.then(|| name.to_owned()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_a_procfile() {
        let rows =
            procfile("# x\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: celery -A app worker\nbad name: x\n");
        assert_eq!(rows[0].0, "web");
        assert_eq!(rows[1], ("worker".to_owned(), "celery -A app worker".to_owned()));
        assert_eq!(rows.len(), 2);
        let services = of_procfile("release: x migrate\nweb: gunicorn app:app\nClock: python clock.py\n");
        assert_eq!(services.len(), 2);
        assert_eq!((services[0].kind, services[1].kind), (Kind::Web, Kind::Worker));
        assert_eq!(services[1].name, "clock");
    }

    #[test]
    fn application_objects_are_found_by_their_classes() {
        let text = "import flask\napp: Flask = flask.Flask(__name__)\ndef f():\n    app = Flask()\n# app = Flask()\n";
        let found = applications("notes.web", text);
        assert_eq!(found, BTreeSet::from([Application::Wsgi("notes.web:app".into())]));
        let factory = "def create_app(config=None, *, x=1):\n    return Flask(__name__)\n";
        assert_eq!(applications("n", factory), BTreeSet::from([Application::Wsgi("n:create_app()".into())]));
        assert!(applications("n", "def create_app(config):\n    return Flask(__name__)\n").is_empty());
        let found = applications("site.wsgi", "application = get_wsgi_application()\n");
        assert_eq!(found, BTreeSet::from([Application::Wsgi("site.wsgi:application".into())]));
        let services = of_applications(&BTreeSet::from([
            Application::Asgi("a.b.main:app".into()),
            Application::Asgi("a.main:app".into()),
            Application::Celery("a.tasks:queue".into()),
        ]));
        assert_eq!(services[0].command, "uvicorn --host $HOST --port $PORT a.main:app");
        assert_eq!(services[1].command, "celery --app a.tasks worker");
    }

    #[test]
    fn variables_that_code_reads() {
        let text = "x = os.environ['SECRET_KEY']\ny = os.getenv(\"DEBUG\", '')\nz = os.environ.get(name)\nos.environ['path']\n";
        assert_eq!(variables(text), BTreeSet::from(["DEBUG".to_owned(), "SECRET_KEY".to_owned()]));
    }
}
