//! Case 6 of the services, offline: what systemd says about every unit that the
//! examples and the tests' packages bring.

use std::path::PathBuf;

use super::{beacons, system};
use crate::harness::Suite;
use crate::on_suites;
use crate::{examples, zeo_client, zeo_server};

on_suites!(
    both: [],
    bookworm: [],
    trixie: [case_06_every_unit_of_the_examples_is_confined],
);

#[expect(clippy::print_stdout, reason = "a line a unit in the log")]
fn case_06_every_unit_of_the_examples_is_confined(suite: Suite) {
    let session = system(suite, &[]);
    let notes = examples::notes(suite);
    let mut debs: Vec<PathBuf> = beacons(suite).values().cloned().collect();
    debs.extend([notes.deb().to_owned(), notes.package("notes-supervisord").to_owned()]);
    debs.extend(
        [zeo_server::zeo_server(suite), zeo_client::board(suite), zeo_client::guestbook(suite)]
            .iter()
            .map(|built| built.deb().to_owned()),
    );
    for (number, deb) in debs.iter().enumerate() {
        session.copy_in(deb, &format!("/var/tmp/units/{number}.deb"));
    }
    // A template is looked at as one of its instances.
    let said = session.ok(
        "cd /var/tmp/units
        for deb in *.deb; do
            mkdir ${deb%.deb} && dpkg-deb --fsys-tarfile $deb | tar -xC ${deb%.deb} --wildcards './usr/lib/systemd/system/*' './lib/systemd/system/*' 2>/dev/null || :
        done
        for unit in $(find . -name '*.service' | sort); do
            file=$(echo $unit | sed 's/@\\./@1./')
            [ $file = $unit ] || mv $unit $file
            systemd-analyze security --offline=true --threshold=15 --no-pager $file >said 2>&1 ||
                { echo \"$unit: $(tail -n 1 said)\" >&2; touch failed; }
            echo \"${unit##*/}: $(tail -n 1 said)\"
        done
        ! test -e failed",
    );
    print!("{}", said.stdout);
    for unit in
        ["notes@.service", "zeo-server.service", "board", "guestbook", "beacon-web.service", "beacon-web@.service"]
    {
        assert!(said.stdout.contains(unit), "no {unit}: {}", said.stdout);
    }
}
