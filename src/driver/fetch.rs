//! `fetch`: from a git ref or a release archive to an orig tarball.
//!
//! Owns what an orig tarball is called and what is noted about where it came
//! from. The tarball of a release archive is that archive, byte for byte; the
//! one of a git ref is made anew, always with the same bytes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply;
use crate::error::{Diagnostic, Error, Result};
use crate::foreign::{DebianVersion, PackageName, Reach, Sha256, Url, without_passwords};
use crate::input;
use crate::plan::Process;

use super::archive;
use super::context::Context;
use super::git::{Repository, Wanted};
use super::hold::Workroom;
use super::json::json;
use super::source::{self, Changelog, Compression};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// A tag, branch or commit; what is checked out where absent.
    pub wanted: Option<Wanted>,
    /// Path or URL of the repository.
    pub repository: String,
    /// A release archive instead: path or URL.
    pub archive: Option<String>,
    /// What the archive's sha256 must be.
    pub sha256: Option<String>,
    /// A detached signature of the archive: path or URL.
    pub signature: Option<String>,
    /// Keys that may have signed.
    pub keyring: Option<PathBuf>,
    /// Fail unless the signature is good.
    pub verify: bool,
    /// Take what is committed although files differ from it.
    pub allow_dirty: bool,
    /// Name of the source package.
    pub name: Option<String>,
    /// Upstream version.
    pub version: Option<String>,
    /// How the tarball of a git ref is compressed.
    pub compression: Option<Compression>,
    /// Directory for the tarball.
    pub output: PathBuf,
}

/// Where a tarball came from: the file beside it, `…​.orig.tar.xz.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Provenance {
    /// Version of this file's form.
    pub schema: u32,
    /// Name of the tarball.
    pub file: String,
    /// Its sha256.
    pub sha256: String,
    /// Its bytes.
    pub size: usize,
    /// Path or URL of the repository or archive.
    pub from: String,
    /// Full commit id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The tag asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// `none`, `good KEY` or `not verified: …`.
    pub signature: String,
    /// `path commit` of each submodule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub submodules: Vec<String>,
}

/// What `fetch` leaves.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The tarball.
    pub path: PathBuf,
    /// Source package.
    pub source: PackageName,
    /// Upstream version.
    pub version: DebianVersion,
    /// Where it came from.
    pub provenance: Provenance,
}

/// Make the tarball, or find that the same one is there.
pub fn fetch(context: &Context<'_>, request: &Request) -> Result<Fetched> {
    match &request.archive {
        Some(archive) => from_archive(context, request, archive),
        None => from_git(context, request),
    }
}

fn from_git(context: &Context<'_>, request: &Request) -> Result<Fetched> {
    let repository = Repository::open(context, &request.repository)?;
    refuse_dirt(&repository, request.allow_dirty)?;
    let wanted = request.wanted.clone().unwrap_or(Wanted::Head);
    let commit = repository.commit(&wanted)?;
    let tag = match &wanted {
        Wanted::Tag(tag) => Some(tag.clone()),
        _ => None,
    };
    let signature = tag.as_ref().map_or(Ok("none".to_owned()), |tag| repository.signature(tag))?;
    demand(request, &signature)?;
    let (name, version) = identity(context, &repository, request, &commit, tag.as_deref())?;
    context.say(format!("archiving {} {version} at {}", name, &commit[..commit.len().min(12)]));
    let (parts, submodules) = repository.tree(&commit)?;
    let bytes = archive::join(&parts, &format!("{name}-{version}"), repository.time(&commit)?)?;
    let compression = request.compression.unwrap_or(Compression::Xz);
    let bytes = compress(context, bytes, compression)?;
    let submodules = submodules.iter().map(|one| format!("{} {}", one.path.display(), one.commit)).collect();
    let provenance = Provenance {
        schema: 1,
        file: source::orig_name(&name, &version, compression),
        sha256: sha256(&bytes).to_string(),
        size: bytes.len(),
        from: without_passwords(&request.repository).into_owned(),
        commit: Some(commit),
        tag,
        signature,
        submodules,
    };
    place(context, request, name, version, &bytes, provenance)
}

/// Fail where the work tree differs from its last commit, unless that is allowed.
pub fn refuse_dirt(repository: &Repository<'_>, allowed: bool) -> Result<()> {
    if allowed {
        return Ok(());
    }
    match repository.dirt()? {
        None => Ok(()),
        Some(dirt) => Err(Diagnostic::error(format!("the work tree has changes that are not committed: {dirt}"))
            .hint("commit or stash them, or use --allow-dirty: only what is committed is taken")
            .into()),
    }
}

/// Name and upstream version: what was asked for, else debian/changelog's, else the tag's and the project's.
fn identity(
    context: &Context<'_>,
    repository: &Repository<'_>,
    request: &Request,
    commit: &str,
    tag: Option<&str>,
) -> Result<(PackageName, DebianVersion)> {
    let committed = repository.file(commit, "debian/changelog")?;
    let text = match committed {
        Some(text) => Some(text),
        None => input::within(&context.directory, source::CHANGELOG)?,
    };
    // Who says both needs no changelog, and gets no fault of it.
    let asked = request.name.is_some() && request.version.is_some();
    let changelog = text.filter(|_| !asked).map(|text| Changelog::parse(&text)).transpose();
    let changelog = changelog.map_err(|fault| Error::from(*fault))?;
    let project = || -> Result<Option<String>> {
        let text = repository.file(commit, "pyproject.toml")?;
        let table = text.and_then(|text| super::inspect::table(&text));
        Ok(table.and_then(|table| Some(table.get("project")?.get("name")?.as_str()?.to_owned())))
    };
    let name = match (&request.name, &changelog) {
        (Some(name), _) => Some(name.clone()),
        (None, Some(changelog)) => Some(changelog.source.to_string()),
        (None, None) => project()?.or_else(|| directory_name(context, &request.repository)),
    };
    let name = name.as_deref().and_then(source::package_name).ok_or_else(|| {
        Error::from(
            Diagnostic::error("the source package has no name").hint("give it with --name, or write debian/changelog"),
        )
    })?;
    let of_tag = tag.and_then(|tag| source::version_of_tag(tag, &name));
    let of_changelog = changelog.as_ref().map(|changelog| changelog.upstream().to_owned());
    if let (None, Some(tag), Some(one)) = (&request.version, &of_tag, &of_changelog) {
        if tag != one {
            context.warn(
                Diagnostic::warning(format!("the tag says version {tag}, debian/changelog says {one}"))
                    .hint("the tag's is taken; add an entry to debian/changelog: dch -v"),
            );
        }
    }
    let version = request.version.clone().or(of_tag).or(of_changelog).ok_or_else(|| {
        Error::from(
            Diagnostic::error(
                "the upstream version is not known: there is no debian/changelog, and no tag that names one",
            )
            .hint("give it with --upstream-version"),
        )
    })?;
    Ok((PackageName::new(&name)?, source::upstream_version(&version)?))
}

fn directory_name(context: &Context<'_>, repository: &str) -> Option<String> {
    let path = if repository == "." { context.directory.clone() } else { PathBuf::from(repository) };
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(name.trim_end_matches(".git").to_owned())
}

fn from_archive(context: &Context<'_>, request: &Request, archive: &str) -> Result<Fetched> {
    let bytes = read(context, archive)?;
    let shown = without_passwords(archive);
    let digest = sha256(&bytes);
    let expected = request.sha256.as_deref().map(Sha256::new).transpose();
    let expected = expected.map_err(|refused| Error::Usage(Diagnostic::error(format!("--sha256: {refused}"))))?;
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Err(Diagnostic::error(format!("{shown} has sha256 {digest}, not {expected}"))
            .hint("the archive is another one than you checked: ask upstream which is right")
            .into());
    }
    let compression = Compression::of(&bytes).ok_or_else(|| {
        Error::from(
            Diagnostic::error(format!("{shown} is no tar archive compressed with gzip, bzip2 or xz"))
                .hint("dpkg-source takes no other as orig tarball: repack it, see mk-origtargz(1)"),
        )
    })?;
    let signature = match &request.signature {
        Some(signature) => verify(context, request, &bytes, signature)?,
        None => "none".to_owned(),
    };
    demand(request, &signature)?;
    let file = archive.rsplit('/').next().unwrap_or_default();
    let file = file.split(['?', '#']).next().unwrap_or_default();
    let own = source::of_archive(file);
    let changelog = || -> Result<Option<String>> {
        let text = input::within(&context.directory, source::CHANGELOG)?;
        let parsed = text.map(|text| Changelog::parse(&text)).transpose().map_err(|fault| Error::from(*fault))?;
        Ok(parsed.map(|one| one.source.to_string()))
    };
    let name = request.name.clone().map_or_else(changelog, |name| Ok(Some(name)))?;
    let name = name.or(own.as_ref().map(|own| own.0.clone()));
    let version = request.version.clone().or(own.map(|own| own.1));
    let (Some(name), Some(version)) = (name, version) else {
        return Err(Diagnostic::error(format!("'{file}' does not say name and version"))
            .hint("give them with --name and --upstream-version")
            .into());
    };
    let (name, version) = (PackageName::new(&name)?, source::upstream_version(&version)?);
    let provenance = Provenance {
        schema: 1,
        file: source::orig_name(&name, &version, compression),
        sha256: digest.to_string(),
        size: bytes.len(),
        from: without_passwords(archive).into_owned(),
        commit: None,
        tag: None,
        signature,
        submodules: Vec::new(),
    };
    place(context, request, name, version, &bytes, provenance)
}

/// A file's bytes, or those at a URL.
fn read(context: &Context<'_>, place: &str) -> Result<Vec<u8>> {
    if place.contains("://") {
        let url = Url::within(place, Reach::Everywhere);
        let url = url.map_err(|refused| Error::Usage(Diagnostic::error(refused.to_string())))?;
        context.say(format!("downloading {url}"));
        return download(context, &url, input::ARCHIVE);
    }
    let path = context.path(Path::new(place));
    input::bytes(&path)?.ok_or_else(|| {
        let hint = "name a file that is there, or a URL that begins with https://";
        Diagnostic::error(format!("there is no file {place}")).hint(hint).into()
    })
}

/// The bytes at a URL of the command line, at most so many, through curl.
fn download(context: &Context<'_>, url: &Url, most: u64) -> Result<Vec<u8>> {
    let work = Workroom::new(context, &context.cache()?.join("work"))?;
    let path = work.path().join("download");
    let output = transfer(context, &[(url.clone(), path.clone())], most, &[])?;
    if output.success {
        return input::bytes(&path)?.ok_or_else(|| Error::failed(format!("curl has left nothing of {url}")));
    }
    // Where a server says no size, curl is ended at the limit: by SIGXFSZ, or for it cannot write (23, 63).
    if [" 153", " 23", " 63"].iter().any(|end| output.status.ends_with(end)) {
        return Err(Diagnostic::error(format!("{url} has more than {} MB", most >> 20))
            .hint("no release is that large: look at what the server sends")
            .into());
    }
    let words = super::context::last_words(&output.stderr);
    Err(Error::failed(format!("downloading {url} failed ({}): {words}", output.status)))
}

/// Fetch URLs into files of at most `most` bytes; what cannot be fetched leaves no file.
pub fn transfer(context: &Context<'_>, wanted: &[(Url, PathBuf)], most: u64, more: &[&str]) -> Result<apply::Output> {
    // A URL has no character that means something here; paths are the cache's and may. In
    // a file of options, nobody reads a password over curl's shoulder.
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let row = |(url, path): &(Url, PathBuf)| {
        format!("url = \"{}\"\noutput = \"{}\"\n", url.as_str(), escaped(&path.to_string_lossy()))
    };
    context.needs("curl")?;
    // curl knows a size beforehand where the server says it; what is longer than that ends here.
    let words = [format!("--fsize={most}"), "curl".to_owned()].into_iter();
    let words = words.chain(curl(wanted.iter().all(|(url, _)| url.is_remote()), most));
    let words = words.chain(more.iter().chain(&["--globoff", "--config", "-"]).map(|word| (*word).to_owned()));
    context.attempt(Process::new("prlimit", words).input(wanted.iter().map(row).collect::<String>()))
}

/// What curl is always told: no file of options or passwords of its own, from one
/// machine only to another one, and an end.
pub fn curl(remote: bool, most: u64) -> Vec<String> {
    let words = [
        // Without this as the first word, ~/.curlrc is read.
        "-q",
        "--fail",
        "--silent",
        "--show-error",
        "--location",
        "--max-redirs",
        "10",
        "--proto",
        if remote { "=https,http" } else { "=https,http,file" },
        "--proto-redir",
        "=https,http",
        "--retry",
        "2",
        "--connect-timeout",
        "60",
        "--max-time",
        "7200",
        // A server that gives less than a byte a second for so long gives nothing more.
        "--speed-limit",
        "1",
        "--speed-time",
        "120",
        "--max-filesize",
    ];
    words.iter().map(|word| (*word).to_owned()).chain([most.to_string()]).collect()
}

fn verify(context: &Context<'_>, request: &Request, bytes: &[u8], signature: &str) -> Result<String> {
    let Some(keyring) = &request.keyring else {
        return Err(Error::Usage(
            Diagnostic::error("--signature needs --keyring").hint("debian/upstream/signing-key.asc is usual"),
        ));
    };
    let work = Workroom::new(context, &context.cache()?.join("work"))?;
    let key = input::bytes(&context.path(keyring))?
        .ok_or_else(|| Error::failed(format!("there is no keyring {}", keyring.display())))?;
    let key = if key.starts_with(b"-----BEGIN") { dearmour(context, key)? } else { key };
    apply::write(&work.path().join("keyring.gpg"), &key, 0o600)?;
    apply::write(&work.path().join("signature"), &read(context, signature)?, 0o600)?;
    apply::write(&work.path().join("data"), bytes, 0o600)?;
    let words = ["--status-fd", "1", "--keyring", "./keyring.gpg", "signature", "data"];
    let output = context.attempt(Process::new("gpgv", words).directory(work.path()))?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    match words.lines().find_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG ")?.split(' ').next()) {
        Some(key) if output.success => Ok(format!("good {key}")),
        _ => {
            Err(Diagnostic::error(format!("the signature is not good: {}", super::context::last_words(&output.stderr)))
                .hint("the archive or its signature is not what upstream published, or the keyring lacks the key")
                .into())
        }
    }
}

fn dearmour(context: &Context<'_>, key: Vec<u8>) -> Result<Vec<u8>> {
    context.output("gpg --dearmor", Process::new("gpg", ["--batch", "--dearmor"]).input(key))
}

fn demand(request: &Request, signature: &str) -> Result<()> {
    if !request.verify || signature.starts_with("good") {
        return Ok(());
    }
    let what =
        if signature == "none" { "there is no signature".to_owned() } else { format!("the signature is {signature}") };
    Err(Diagnostic::error(what).hint("import the signer's key, or leave --verify out").into())
}

fn compress(context: &Context<'_>, bytes: Vec<u8>, compression: Compression) -> Result<Vec<u8>> {
    // One thread: the bytes depend on their number. -n: no name and time in gzip's header.
    let (program, words): (_, &[&str]) = match compression {
        Compression::Gzip => ("gzip", &["-9", "-n", "-c"]),
        Compression::Bzip2 => ("bzip2", &["-9", "-c"]),
        Compression::Xz => ("xz", &["-6", "--threads=1", "-c"]),
    };
    context.output(program, Process::new(program, words.iter().copied()).input(bytes))
}

/// Write the tarball and its provenance, unless another one of this name is there.
fn place(
    context: &Context<'_>,
    request: &Request,
    source: PackageName,
    version: DebianVersion,
    bytes: &[u8],
    provenance: Provenance,
) -> Result<Fetched> {
    let path = context.path(&request.output).join(&provenance.file);
    match input::bytes(&path)? {
        Some(there) if there == bytes => {
            context.say(format!("{} is there already, with the same bytes", path.display()))
        }
        Some(_) => {
            return Err(Diagnostic::error(format!("{} is there already, with other bytes", path.display()))
                .hint(
                    "an orig tarball never changes once it is published: remove it if it was not, or raise the version",
                )
                .into());
        }
        None => apply::write(&path, bytes, 0o644)?,
    }
    let note = path.with_file_name(format!("{}.json", provenance.file));
    apply::write(&note, json(&provenance)?.as_bytes(), 0o644)?;
    Ok(Fetched { path, source, version, provenance })
}

fn sha256(bytes: &[u8]) -> Sha256 {
    use sha2::Digest;
    Sha256::of(&sha2::Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_download_that_says_no_size_has_an_end() {
        let room = tempfile::tempdir().unwrap();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://user:secret@{}/x-1.0.tar.gz", server.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in server.incoming() {
                let mut client = client.unwrap();
                let _ = client.read(&mut [0; 4096]);
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                while client.write_all(&[0; 1 << 16]).is_ok() {}
            }
        });
        let environment = [("PATH", "/usr/bin:/bin".as_ref()), ("XDG_CACHE_HOME", room.path())];
        let environment = crate::debian::environment::Environment::from_pairs(environment);
        let context = Context { environment, directory: room.path().to_owned(), tell: &|_| {} };
        let fault = format!("{:?}", download(&context, &Url::new(&url).unwrap(), 1 << 20).unwrap_err());
        // An ordinary user's chroot has no curl; `make check` runs this where it is, too.
        let missing = crate::input::kind(Path::new("/usr/bin/curl")).unwrap().is_none();
        let expected = if missing { "cannot run curl" } else { "has more than 1 MB" };
        assert!(fault.contains(expected) && !fault.contains("secret"), "{fault}");
    }
}
