//! What must stay as it is: canaries, services that listen, the files of the machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{harness, sh};

/// The ordinary user: an id and a range that nobody else on the machine has.
pub const USER: (&str, u32) = ("dba-ordinary", 60123);
const RANGE: &str = "7000000:65536";

/// Who runs the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Root,
    Ordinary,
}

impl Who {
    pub fn name(self) -> &'static str {
        match self {
            Who::Root => "root",
            Who::Ordinary => "user",
        }
    }
}

/// Names that sources use, with what stands for them: `@CANARY@`, and `$CANARY` in a setup.
#[derive(Debug, Clone, Default)]
pub struct Values(pub BTreeMap<&'static str, String>);

impl Values {
    pub fn fill(&self, text: &str) -> String {
        let filled = |text: String, (name, value): (&&str, &String)| text.replace(&format!("@{name}@"), value);
        self.0.iter().fold(text.to_owned(), filled)
    }
}

/// What is planted, and where.
pub struct World {
    pub work: tempfile::TempDir,
    /// The driver, where the ordinary user reaches it.
    pub driver: PathBuf,
    /// By kind: the word that must never be seen.
    pub tokens: BTreeMap<&'static str, String>,
    /// What every source's values have in common, for each user.
    values: BTreeMap<Who, Values>,
    _indexes: Vec<Child>,
}

/// 128 bits as hexadecimal digits.
fn random() -> String {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl World {
    pub fn new() -> World {
        // Small letters and digits: what is made small on its way is the same path.
        let prefix = format!("hostile-{}", std::process::id());
        let work = tempfile::Builder::new().prefix(&prefix).rand_bytes(0).tempdir_in("/var/tmp").unwrap();
        let path = work.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let kinds = ["root", "user", "victim", "loopback", "private", "environment", "key"];
        let tokens: BTreeMap<_, _> =
            kinds.into_iter().map(|kind| (kind, format!("canary-{kind}-{}", random()))).collect();
        let driver = path.join("deb-build-app");
        fs::copy(env!("CARGO_BIN_EXE_deb-build-app"), &driver).unwrap();
        let (name, id) = USER;
        let script = format!(
            "mkdir -p secret bin victim etc root-home user-home/.cache runs
             (umask 077; echo '{root}' >secret/root; echo '{user}' >secret/user; echo '{victim}' >victim/secret)
             cp '{uv}' bin/uv
             for user in root user; do
                 mkdir -m 700 private-$user
                 git -C private-$user init -q -b main
                 echo '{private}' >private-$user/secret
                 cp -r '{skeleton}/.' private-$user/
                 sed -i 's/@NAME@/private/g' private-$user/debian/control private-$user/debian/changelog private-$user/debian/rules
                 git -C private-$user add .
                 git -C private-$user -c user.name=T -c user.email=t@example.org commit -qm one
                 git -C private-$user rev-parse HEAD >head-$user
             done
             {{ cat /etc/passwd; echo '{name}:x:{id}:{id}::{home}:/bin/sh'; }} >etc/passwd
             {{ cat /etc/group; echo '{name}:x:{id}:'; }} >etc/group
             echo '{name}:{RANGE}' >etc/subuid
             cp etc/subuid etc/subgid
             chown -R {id}:{id} secret/user private-user user-home",
            root = tokens["root"],
            user = tokens["user"],
            victim = tokens["victim"],
            private = tokens["private"],
            skeleton = harness::repository().join("tests/hostile/skeleton").display(),
            uv = harness::uv().display(),
            home = path.join("user-home").display(),
        );
        sh(&path, &script);
        let port = loopback(&tokens["loopback"]);
        let socket = format!("dba-{}", random());
        abstract_socket(&socket, &tokens["loopback"]);
        let mut indexes = Vec::new();
        let mut values = BTreeMap::new();
        for who in [Who::Root, Who::Ordinary] {
            let canary = path.join("secret").join(who.name());
            let mut index = Command::new("/usr/bin/python3")
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/index.py"))
                .arg(&canary)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(index.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let (index_port, sum) = line.trim().split_once(' ').unwrap();
            let shadow = fs::metadata("/etc/shadow").unwrap();
            let disk = fs::metadata("/").unwrap().dev();
            let text = |path: PathBuf| path.to_string_lossy().into_owned();
            let all = BTreeMap::from([
                ("CANARY", text(canary)),
                ("ROOTCANARY", text(path.join("secret/root"))),
                ("VICTIM", text(path.join("victim"))),
                ("PRIVATE", text(path.join(format!("private-{}", who.name())))),
                ("PRIVATE_HEAD", text(path.join(format!("head-{}", who.name())))),
                ("PORT", port.to_string()),
                ("LISTEN", "47123".to_owned()),
                ("SOCKET", socket.clone()),
                ("INDEX", format!("http://127.0.0.1:{index_port}")),
                ("WHEELSUM", sum.to_owned()),
                ("SHADOW", format!("{}:{}", shadow.dev(), shadow.ino())),
                // makedev(3), the numbers of the usual size.
                ("DISK", format!("{} {}", (disk >> 8) & 0xfff, (disk & 0xff) | ((disk >> 12) & 0xfff00))),
            ]);
            values.insert(who, Values(all));
            indexes.push(index);
        }
        World { work, driver, tokens, values, _indexes: indexes }
    }

    pub fn path(&self) -> &Path {
        self.work.path()
    }

    /// The values of a source of this name in a directory of this run.
    pub fn values(&self, who: Who, name: &str, run: &Path) -> Values {
        let mut values = self.values[&who].clone();
        values.0.insert("NAME", name.to_owned());
        let lines = format!("python 3.11\nrequirements.txt {}\n", sha256("tiny==1.0\n\n"));
        values.0.insert("INPUTS", sha256(&lines));
        values.0.insert("OUTSIDE", run.join("outside").to_string_lossy().into_owned());
        values
    }

    /// A call of the driver by a user in a directory, as words.
    pub fn call(&self, who: Who, directory: &Path, words: &[String]) -> Vec<String> {
        let path = self.path().display();
        let secret = &self.tokens["environment"];
        let driver = self.driver.to_string_lossy().into_owned();
        let begin = match who {
            Who::Root => format!(
                "cd '{}' && exec env -i HOME={path}/root-home XDG_CACHE_HOME='{}' PATH={path}/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                 TERM=xterm NO_COLOR=1 DBA_SECRET={secret} \"$@\"",
                directory.display(),
                crate::cache().display()
            ),
            Who::Ordinary => format!(
                "for file in passwd group subuid subgid; do mount --bind {path}/etc/$file /etc/$file; done
                 mount --bind '{}' {path}/user-home/.cache
                 cd '{}'
                 exec setpriv --reuid={id} --regid={id} --clear-groups env -i HOME={path}/user-home USER={} LOGNAME={} \
                 PATH={path}/bin:/usr/bin:/bin TERM=xterm NO_COLOR=1 DBA_SECRET={secret} \"$@\"",
                user_cache().display(),
                directory.display(),
                USER.0,
                USER.0,
                id = USER.1
            ),
        };
        let mut all: Vec<String> = Vec::new();
        if who == Who::Ordinary {
            all.extend(["unshare", "--mount"].map(str::to_owned));
        }
        all.extend(["sh", "-euc", &begin, "sh", &driver].map(str::to_owned));
        all.extend(words.iter().cloned());
        all
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for index in &mut self._indexes {
            drop(index.stdin.take());
            let _ = index.wait();
        }
    }
}

/// Where the ordinary user's driver keeps its environment from one run of the tests to the next.
pub fn user_cache() -> PathBuf {
    harness::cache_dir().join("hostile-user")
}

/// A service of the machine: it says its secret to whoever connects.
fn loopback(token: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let words = format!("{token}\n");
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|mut stream| drop(stream.write_all(words.as_bytes())));
    });
    port
}

fn abstract_socket(name: &str, token: &str) {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
    let words = format!("{token}\n");
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|mut stream| drop(stream.write_all(words.as_bytes())));
    });
}

/// Every file of the machine that an attack could have reached, each with what a change would change.
pub type Census = BTreeMap<PathBuf, String>;

/// Places that change by themselves: caches, and what other programs of the machine do.
const RESTLESS: [&str; 12] = [
    "/root/.cache",
    "/root/.cargo",
    "/root/.rustup",
    "/root/.pyenv",
    "/root/.local",
    "/root/.npm",
    "/root/.config",
    "/var/lib/apt",
    "/var/lib/systemd",
    "/etc/mtab",
    "/dev/pts",
    "/dev/shm",
];

/// The machine: what nothing of a build may change.
pub fn machine() -> Census {
    let mut all = Census::new();
    for root in [
        "/etc",
        "/root",
        "/home",
        "/var/spool",
        "/var/lib",
        "/var/cache/debconf",
        "/usr/local",
        "/opt",
        "/srv",
        "/boot",
    ] {
        count(Path::new(root), &|path| RESTLESS.iter().any(|one| path == Path::new(one)), &mut all);
    }
    // Names in places where everybody makes files: those of the attacks alone.
    for root in ["/", "/tmp", "/var/tmp", "/run", "/dev", "/dev/shm", "/usr/bin", "/usr/sbin", "/usr/lib"] {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains("dba-escaped") || name.contains("dba-room") || (root == "/" && name != "tmp") {
                all.insert(entry.path(), "there".to_owned());
            }
        }
    }
    all
}

/// A directory and all below it, but for what is skipped.
pub fn count(path: &Path, skip: &dyn Fn(&Path) -> bool, all: &mut Census) {
    if skip(path) {
        return;
    }
    let Ok(facts) = fs::symlink_metadata(path) else { return };
    let link = fs::read_link(path).map(|target| target.display().to_string()).unwrap_or_default();
    let own = facts.ctime() * 1_000_000_000 + facts.ctime_nsec();
    let size = if facts.is_dir() { 0 } else { facts.size() };
    let row = format!("{:o} {}:{} {size} {} {own} {link}", facts.mode(), facts.uid(), facts.gid(), facts.mtime());
    all.insert(path.to_owned(), row);
    if facts.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            count(&entry.path(), skip, all);
        }
    }
}

/// What differs between two of them.
pub fn changes(before: &Census, after: &Census) -> Vec<String> {
    let mut all = Vec::new();
    for (path, row) in after {
        match before.get(path) {
            None => all.push(format!("made {}", path.display())),
            Some(old) if old != row => all.push(format!("changed {}", path.display())),
            Some(_) => {}
        }
    }
    all.extend(
        before.keys().filter(|path| !after.contains_key(*path)).map(|path| format!("removed {}", path.display())),
    );
    all
}
