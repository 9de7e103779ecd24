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
        assert!(HEADERS.iter().all(|(name, _)| *name == crate::helper::venv::name::normalise(name)));
        assert_eq!(headers("psycopg2"), ["libpq-dev"]);
        assert!(headers("flask").is_empty());
    }
}
