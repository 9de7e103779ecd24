//! examples/zeo-server on a system that runs: it serves, packs, backs up and is restored.

use std::sync::Arc;
use std::time::Duration;

use crate::examples::assert_lintian_is_content;
use crate::harness::{Booted, Suite};
use crate::on_suites;
use crate::package::{Built, Source, bootable, built};

// The same program and, but for the Python, the same package on both: one runs.
on_suites!(both: [], bookworm: [], trixie: [lintian_is_content, serves_packs_backs_up_and_is_restored]);

/// The package, built once.
pub fn zeo_server(suite: Suite) -> Arc<Built> {
    built(suite, "example zeo-server", || Source::example("zeo-server", "zeo-server"))
}

/// A client of the server: `write TEXT` or `read`. The value is in an object and in a blob.
const CLIENT: &str = "\
import sys
import tempfile
import transaction
import ZEO
from ZODB.blob import Blob

with tempfile.TemporaryDirectory() as blobs:
    connection = ZEO.connection(('127.0.0.1', 8100), wait_timeout=10, blob_dir=blobs)
    root = connection.root()
    if sys.argv[1] == 'write':
        root['text'] = sys.argv[2]
        root['blob'] = Blob(sys.argv[2].encode())
        transaction.commit()
    else:
        with root['blob'].open('r') as blob:
            print(root['text'], blob.read().decode())
    connection.close()
";

fn lintian_is_content(suite: Suite) {
    assert_lintian_is_content(&zeo_server(suite));
}

fn serves_packs_backs_up_and_is_restored(suite: Suite) {
    let package = zeo_server(suite);
    let session = bootable(suite);
    session.copy_in(package.deb(), "/var/tmp/zeo-server.deb");
    session.write("/usr/local/lib/client.py", CLIENT);
    let system = Booted::new(session);
    system.ok("apt-get install -qq -y -o Dpkg::Use-Pty=0 /var/tmp/zeo-server.deb");
    let client = "/usr/lib/zeo-server/venv/bin/python /usr/local/lib/client.py";

    system.until(Duration::from_secs(30), &format!("{client} write first"));
    system.ok("systemctl is-active zeo-server zeo-server-pack.timer zeo-server-backup.timer");
    for unit in ["zeo-server", "zeo-server-pack", "zeo-server-backup"] {
        system.ok(&format!("systemd-analyze security --threshold=15 {unit}.service"));
    }
    // Installing has neither packed nor backed up.
    assert_eq!(system.ok("ls /var/backups/zeo-server").stdout, "");
    system.ok("test \"$(stat -c '%U:%G %a' /var/lib/zeo-server /var/backups/zeo-server | uniq)\" = 'zeo-server:zeo-server 750'");

    // repozo names its files by the second.
    system.ok("systemctl start zeo-server-pack && systemctl start zeo-server-backup && sleep 1.1");
    system.ok(&format!("{client} write second && systemctl start zeo-server-backup && sleep 1.1"));
    let listed = system.ok("zeo-server list").stdout;
    let dates: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("1\t")).collect();
    assert_eq!(dates.len(), 2, "{listed}");
    system.ok(&format!("{client} write third && zeo-server pack --days 0.0000001 && {client} write lost"));
    assert_eq!(system.ok(&format!("{client} read")).stdout, "lost lost\n");

    let refused = system.fails(1, "zeo-server restore");
    assert!(refused.stderr.contains("systemctl stop zeo-server"), "{}", refused.dump());
    let restore = |arguments: &str| {
        system
            .ok(&format!("systemctl stop zeo-server && zeo-server restore {arguments} && systemctl start zeo-server"));
        system.until(Duration::from_secs(30), &format!("{client} read")).stdout
    };
    assert_eq!(restore(""), "second second\n");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(restore(&format!("--date {}", dates[0])), "first first\n");
    system
        .ok("test \"$(find /var/lib/zeo-server ! -user zeo-server)\" = '' && ls /var/lib/zeo-server/Data.fs.before-*");

    // It comes back after a crash, with what was written.
    system.ok(&format!("{client} write fourth && systemctl kill --kill-whom=main --signal KILL zeo-server"));
    assert_eq!(system.until(Duration::from_secs(60), &format!("{client} read")).stdout, "fourth fourth\n");

    // One a line: bash -e lets a middle part of a list fail, and whatever begins with an exclamation mark.
    system.ok("dpkg --purge zeo-server
        test \"$(systemctl is-active zeo-server || true)\" = inactive
        test -s /var/lib/zeo-server/Data.fs
        test -n \"$(ls /var/backups/zeo-server/1)\"
        test ! -e /etc/zeo-server
        test ! -e /etc/default/zeo-server
        dpkg -i /var/tmp/zeo-server.deb");
    assert_eq!(system.until(Duration::from_secs(30), &format!("{client} read")).stdout, "fourth fourth\n");
}
