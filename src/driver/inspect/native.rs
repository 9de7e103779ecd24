//! What Debian packages it takes to compile Python distributions that come, or
//! may come, without a wheel. A table; pure.

/// Distribution, normalised, and the packages with its C libraries' headers.
const HEADERS: [(&str, &[&str]); 32] = [
    ("borgbackup", &["libacl1-dev", "liblz4-dev", "libssl-dev", "libxxhash-dev", "libzstd-dev", "pkg-config"]),
    ("cffi", &["libffi-dev"]),
    ("dbus-python", &["libdbus-1-dev", "libglib2.0-dev", "pkg-config"]),
    ("evdev", &["linux-libc-dev"]),
    ("gpgme", &["libgpgme-dev"]),
    ("gssapi", &["libkrb5-dev"]),
    ("h5py", &["libhdf5-dev", "pkg-config"]),
    ("kerberos", &["libkrb5-dev"]),
    ("ldap3-sasl", &["libsasl2-dev"]),
    ("libvirt-python", &["libvirt-dev", "pkg-config"]),
    ("lxml", &["libxml2-dev", "libxslt1-dev"]),
    ("m2crypto", &["libssl-dev", "swig"]),
    ("mysqlclient", &["default-libmysqlclient-dev", "pkg-config"]),
    ("pillow", &["libfreetype-dev", "libjpeg-dev", "zlib1g-dev"]),
    ("psycopg-c", &["libpq-dev"]),
    ("psycopg2", &["libpq-dev"]),
    ("pyaudio", &["portaudio19-dev"]),
    ("pycairo", &["libcairo2-dev", "pkg-config"]),
    ("pycups", &["libcups2-dev"]),
    ("pycurl", &["libcurl4-openssl-dev", "libssl-dev"]),
    ("pygobject", &["libcairo2-dev", "libgirepository1.0-dev", "pkg-config"]),
    ("pygraphviz", &["libgraphviz-dev", "pkg-config"]),
    ("pylibmc", &["libmemcached-dev", "zlib1g-dev"]),
    ("pymssql", &["freetds-dev"]),
    ("pyodbc", &["unixodbc-dev"]),
    ("python-ldap", &["libldap2-dev", "libsasl2-dev"]),
    ("python-snappy", &["libsnappy-dev"]),
    ("pyyaml", &["libyaml-dev"]),
    ("rrdtool", &["librrd-dev"]),
    ("systemd-python", &["libsystemd-dev", "pkg-config"]),
    ("uwsgi", &["libpcre2-dev", "libssl-dev"]),
    ("xmlsec", &["libxmlsec1-dev", "pkg-config"]),
];

/// Distribution, normalised, and the packages with C libraries that it loads by
/// name, or programs that it looks for, when it is imported: no link of a file tells of them.
const LOADED: [(&str, &[&str]); 15] = [
    ("cairocffi", &["libcairo2"]),
    ("gitpython", &["git"]),
    ("libusb1", &["libusb-1.0-0"]),
    ("psycopg", &["libpq5"]),
    ("pycups", &["libcups2"]),
    ("pyenchant", &["libenchant-2-2"]),
    ("pymediainfo", &["libmediainfo0v5"]),
    ("pysdl2", &["libsdl2-2.0-0"]),
    ("python-magic", &["libmagic1"]),
    ("python-mpv", &["libmpv2"]),
    ("python-vlc", &["libvlc5"]),
    ("pyudev", &["libudev1"]),
    ("pyusb", &["libusb-1.0-0"]),
    ("pyzbar", &["libzbar0"]),
    ("weasyprint", &["libpango-1.0-0", "libpangoft2-1.0-0"]),
];

/// Modules of Python's own library that Debian has in packages of their own.
const MODULES: [(&str, &str); 2] = [("dbm.gnu", "python3-gdbm"), ("tkinter", "python3-tk")];

/// The packages with what a distribution loads while it runs.
pub fn loaded(distribution: &str) -> &'static [&'static str] {
    LOADED.iter().find(|(name, _)| *name == distribution).map_or(&[], |(_, packages)| packages)
}

/// The packages with the modules that a program's text imports at the top of a module.
pub fn imported(text: &str) -> impl Iterator<Item = &'static str> + '_ {
    let imports = |line: &str, module: &str| {
        let rest = line.strip_prefix("import ").or_else(|| line.strip_prefix("from ")).unwrap_or_default();
        let rest = rest.trim_start().strip_prefix(module);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let found = move |module: &str| text.lines().any(|line| imports(line, module));
    MODULES.iter().filter(move |(module, _)| found(module)).map(|(_, package)| *package)
}

/// The packages that compiling a distribution takes, besides Python's own headers.
pub fn headers(distribution: &str) -> &'static [&'static str] {
    HEADERS.iter().find(|(name, _)| *name == distribution).map_or(&[], |(_, packages)| packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_normalised() {
        assert!(HEADERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(HEADERS.iter().all(|(name, _)| *name == crate::python::name::normalise(name)));
        assert_eq!(headers("psycopg2"), ["libpq-dev"]);
        assert!(headers("flask").is_empty());
        assert!(LOADED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(LOADED.iter().all(|(name, _)| *name == crate::python::name::normalise(name)));
        assert_eq!(loaded("psycopg"), ["libpq5"]);
    }

    #[test]
    fn parts_of_python_that_are_packages_of_their_own() {
        let packages = |text: &str| imported(text).collect::<Vec<_>>();
        assert_eq!(packages("import os\nfrom tkinter import ttk\n"), ["python3-tk"]);
        assert_eq!(packages("import tkinter as tk\n"), ["python3-tk"]);
        assert!(packages("import tkinterweb\ndef f():\n    import tkinter\n").is_empty());
    }
}
