//! The grammar: each fault with its line and a cure.

use super::*;

fn read(text: &str) -> (Description, Vec<String>) {
    let (description, faults) = parse(text, Path::new("debian/shop.zeoclient"));
    assert!(faults.iter().all(|fault| fault.hint.is_some()), "{faults:#?}");
    (description, faults.iter().map(ToString::to_string).collect())
}

/// The faults of a file, without its path.
fn faults(text: &str) -> Vec<String> {
    read(text).1.iter().map(|fault| fault.replace("debian/shop.zeoclient:", "")).collect()
}

/// The faults of a stanza that stands from line 4 on, beside an application.
fn faults_of(stanza: &str) -> Vec<String> {
    faults(&format!("Application: web\nFramework: zope\n\n{stanza}"))
}

#[test]
fn the_smallest_file_has_one_storage() {
    let (description, faults) = read("Application: web\nFramework: zope\n");
    assert_eq!(faults, [] as [&str; 0]);
    assert_eq!(description.storages, [super::storage::main()]);
    let application = description.application.unwrap();
    assert_eq!((application.instances, application.listen), (1, ("127.0.0.1".to_owned(), 8080)));
    assert_eq!((description.bootstrap, description.upgrade), (None, None));
}

#[test]
fn a_file_with_everything() {
    let (description, faults) = read(
        "Format: 1\n\nStorage: main\nServer: zeo1:8100 [::1]:8101\n /run/zeo.sock\nName: shop\nWait-Timeout: 10\n\
         Cache-Size: 64MB\nPersistent-Cache: yes\nBlob-Cache-Size: 2gb\nTLS-CA: /etc/shop/ca.pem\n\
         TLS-Cert: /etc/shop/node.pem\nTLS-Key: /etc/shop/node.key\nTLS-Server-Name: zeo\n\n\
         Storage: archive\nMount: /archive/\nBlob-Dir: /srv/blobs\n\n\
         Application: web\nFramework: zope\nIni: shop.ini.hbs\nInstances: 2\nListen: [::1]:9000\n\n\
         Bootstrap: zope\nAdmin-User: root\n\n\
         Upgrade: 1.2~rc1\nCommand: /usr/lib/shop/venv/bin/shop evolve\nRestartable: yes\n",
    );
    assert_eq!(faults, [] as [&str; 0]);
    let [main, archive] = description.storages.as_slice() else { panic!("two storages") };
    let servers =
        [Server::Tcp("zeo1".into(), 8100), Server::Tcp("::1".into(), 8101), Server::Socket("/run/zeo.sock".into())];
    assert_eq!(main.servers, servers);
    assert_eq!((main.name.as_str(), main.mount.as_str(), main.wait_timeout), ("shop", "/", 10));
    assert_eq!((main.cache_size, main.blob_cache_size, main.persistent_cache), (64 << 20, 2 << 30, true));
    let tls = main.tls.as_ref().unwrap();
    assert_eq!(tls.client, Some(("/etc/shop/node.pem".to_owned(), "/etc/shop/node.key".to_owned())));
    assert_eq!((archive.mount.as_str(), &archive.blob_dir), ("/archive", &BlobDir::Shared("/srv/blobs".into())));
    assert_eq!((archive.line, archive.tls.as_ref()), (16, None));
    let application = description.application.unwrap();
    assert_eq!((application.instances, application.listen), (2, ("::1".to_owned(), 9000)));
    assert_eq!(description.bootstrap.unwrap().user, "root");
    let upgrade = description.upgrade.unwrap();
    assert_eq!(upgrade.command, ["/usr/lib/shop/venv/bin/shop", "evolve"]);
    assert!(upgrade.restartable);
}

#[test]
fn the_example_is_read() {
    let text = include_str!("../../../../examples/zope/debian/board.zeoclient");
    let (description, faults) = read(text);
    assert_eq!(faults, [] as [&str; 0]);
    assert_eq!(description.application.map(|application| application.instances), Some(2));
}

#[test]
fn a_fault_of_each_kind_has_its_line() {
    for (stanza, expected) in [
        ("Storage: Main\n", "4: 'Main' is no name"),
        ("Storage: main\nServer: localhost\n", "5: 'localhost' is no address of a server"),
        ("Storage: main\nServer: a:1\n b:0\n", "6: 'b:0' is no address of a server"),
        ("Storage: main\nServer:\n", "5: field Server has no value"),
        ("Storage: main\nMount: archive\n", "5: Mount is not an absolute path: archive"),
        ("Storage: main\nMount: /a\n", "4: no storage is mounted at /"),
        ("Storage: main\nWait-Timeout: 0\n", "5: Wait-Timeout cannot be 0"),
        ("Storage: main\nWait-Timeout: soon\n", "5: Wait-Timeout is a whole number, not 'soon'"),
        ("Storage: main\nCache-Size: 20 MB\n", "5: Cache-Size is no size: 20 MB"),
        ("Storage: main\nBlob-Cache-Size: 99999999999GB\n", "5: Blob-Cache-Size is no size: 99999999999GB"),
        ("Storage: main\nPersistent-Cache: on\n", "5: Persistent-Cache cannot be 'on'"),
        ("Storage: main\nBlob-Dir: blobs\n", "5: Blob-Dir cannot be 'blobs'"),
        ("Storage: main\nTLS-Cert: /c\n", "5: TLS-Cert without TLS-Key"),
        ("Storage: main\nTLS-Key: /k\n", "5: TLS-Key without TLS-Cert"),
        ("Storage: main\nTLS: no\nTLS-CA: /c\n", "5: TLS is off, and its files are named"),
        ("Storage: main\nServr: a:1\n", "5: unknown field 'Servr'"),
        ("Storage: main\n\nStorage: main\nMount: /b\n", "6: a second storage 'main'"),
        ("Storage: main\n\nStorage: b\nMount: /\n", "6: a second storage at /"),
        ("Storage: main\n\nStorage: b\n", "6: the storage 'b' lacks field Mount"),
        ("Application: two\nFramework: zope\n", "4: a second stanza Application"),
        ("Bootstrap: plone\n", "4: Bootstrap cannot be 'plone'"),
        ("Bootstrap: grok\n", "4: this framework has no such administrator"),
        ("Bootstrap: zope\nAdmin-User: a:b\n", "5: the administrator's name has a colon"),
        ("Bootstrap: zope\nSeed: a:b\n", "5: field Seed does not belong here"),
        ("Bootstrap: custom\n", "4: the stanza of Bootstrap lacks field Seed"),
        ("Bootstrap: custom\nSeed: shop.setup\n", "5: 'shop.setup' is no function"),
        ("Upgrade: v1\nCommand: /bin/true\n", "4: 'v1' is no version"),
        ("Upgrade: 1\n", "4: the stanza of Upgrade lacks field Command"),
        ("Upgrade: 1\nCommand: shop evolve\n", "5: the command is not an absolute path"),
        ("Upgrade: 1\nCommand: /bin/sh -c 'x'\n", "5: the command is not read by a shell: 'x'"),
        ("Bootstrp: zope\n", "4: a stanza cannot begin with field 'Bootstrp'"),
    ] {
        assert_eq!(faults_of(stanza), [expected], "{stanza}");
    }
}

#[test]
fn the_application_is_looked_at_too() {
    assert_eq!(faults("Storage: main\n"), ["1: there is no stanza Application"]);
    assert_eq!(faults("Application: web\n"), ["1: the stanza of Application lacks field Framework"]);
    assert_eq!(faults("Application: web\nFramework: zop\n"), ["2: Framework cannot be 'zop'"]);
    let rest = "Application: web\nFramework: zope\n";
    assert_eq!(faults(&format!("{rest}Instances: 0\n")), ["3: Instances cannot be 0"]);
    assert_eq!(faults(&format!("{rest}Listen: 8080\n")), ["3: '8080' is no address to listen on"]);
    assert_eq!(
        faults(&format!("{rest}Listen: a:65535\nInstances: 2\n")),
        ["3: 2 instances from port 65535 on go beyond port 65535"]
    );
    assert_eq!(
        faults("Format: 2\n\nApplication: web\nFramework: zope\n"),
        ["1: format 2 is newer than this dh_zeoclient, which knows 1"]
    );
}

#[test]
fn only_zope_mounts() {
    let rest = "Application: web\nFramework: pyramid\n\nStorage: main\n\nStorage: log\n";
    let (description, faults) = read(rest);
    assert_eq!(faults, [] as [&str; 0]);
    assert_eq!(description.storages[1].mount, "/log");
    assert_eq!(self::faults(&format!("{rest}Mount: /x\n")), ["6: only Zope mounts storages"]);
}
