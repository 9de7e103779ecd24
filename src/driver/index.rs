//! A project's page of a package index (PEP 503, PEP 592): text in, files out.
//!
//! Owns the reading of the page and the choice of files for a target. Fetches
//! nothing.

use std::collections::BTreeSet;

use crate::error::Diagnostic;
use crate::foreign::{FileName, Reach, Refused, Sha256, Url, printable_line};
use crate::python::interpreter::{Interpreter, WheelName};
use crate::python::name::normalise;
use crate::python::version;

/// A file that an index offers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// File name.
    pub name: FileName,
    /// Absolute URL, without a fragment.
    pub url: Url,
    /// sha256, where the page says it.
    pub sha256: Option<Sha256>,
    /// The reason given where the file is yanked; it may be empty.
    pub yanked: Option<String>,
}

/// A package index: the URL below which its pages lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index(Url);

impl std::fmt::Display for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Index {
    /// One that the command line names: it may be a directory of this machine.
    pub fn ours(text: &str) -> Result<Self, Refused> {
        Url::within(text, Reach::Everywhere).map(Self)
    }

    /// One that a source names: another machine, or one of `ours`.
    pub fn foreign(text: &str, ours: &[Self]) -> Result<Self, Refused> {
        match ours.iter().find(|own| own.0.as_str() == text) {
            Some(own) => Ok(own.clone()),
            None => Url::new(text).map(Self),
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it has a name or a password of a user.
    pub fn has_password(&self) -> bool {
        self.0.has_password()
    }

    /// The page of a project, by its normalised name. A directory of this machine has no server that adds the file's name.
    pub fn page(&self, project: &str) -> Result<Url, Refused> {
        let below = if self.0.is_remote() { "" } else { "index.html" };
        Url::within(&format!("{}/{project}/{below}", self.as_str().trim_end_matches('/')), Reach::Everywhere)
    }

    /// A link of one of its pages: never from another machine to this one's files,
    /// and from this one's no further than the index's own directory.
    fn link(&self, text: &str) -> Result<Url, String> {
        if self.0.is_remote() {
            return Url::new(text).map_err(|refused| refused.to_string());
        }
        let url = Url::within(text, Reach::Everywhere).map_err(|refused| refused.to_string())?;
        let base = format!("{}/", self.as_str().trim_end_matches('/'));
        // curl takes escapes and dots out of a path before it opens it.
        let climbs = |part: &str| part.contains("..") || part.contains('%');
        if url.is_remote() || text.strip_prefix(&base).is_some_and(|rest| !climbs(rest)) {
            Ok(url)
        } else {
            Err(format!("'{}' is outside of the index {}", printable_line(text), self.0))
        }
    }
}

/// How the names of files end that a target could take.
const ENDINGS: [&str; 5] = [".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz"];

/// Every file of a project's page that was read from `page`, and what was passed
/// over: files whose name or link is not what it must be.
pub fn offers(text: &str, index: &Index, page: &Url) -> (Vec<Offer>, Vec<Diagnostic>) {
    let (mut offers, mut faults) = (Vec::new(), Vec::new());
    for part in text.split("<a ").skip(1) {
        let Some((attributes, rest)) = part.split_once('>') else { continue };
        let name = unescaped(rest.split('<').next().unwrap_or_default().trim());
        let Some(href) = attribute(attributes, "href") else { continue };
        let (location, fragment) = href.split_once('#').unwrap_or((&href, ""));
        let sha256 = fragment.split('&').find_map(|pair| pair.strip_prefix("sha256=")).map(Sha256::new);
        let read = || -> Result<Offer, String> {
            Ok(Offer {
                name: FileName::new(&name).map_err(|refused| refused.to_string())?,
                url: index.link(&absolute(page.as_str(), location))?,
                sha256: sha256.transpose().map_err(|refused| refused.to_string())?,
                yanked: attribute(attributes, "data-yanked"),
            })
        };
        match read() {
            Ok(offer) => offers.push(offer),
            // Old pages have installers for Windows with spaces in their names: nobody misses them.
            Err(why) if ENDINGS.iter().any(|ending| name.to_lowercase().ends_with(ending)) => faults.push(
                Diagnostic::warning(format!("the index {} offers what is passed over: {why}", index.0))
                    .hint("whoever keeps the index has to correct its pages"),
            ),
            Err(_) => {}
        }
    }
    (offers, faults)
}

/// The value of an attribute; the empty text where it has none.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().next_back();
        let after = &rest[at + name.len()..];
        rest = after;
        if before.is_some_and(|c| !c.is_whitespace()) || after.starts_with(|c: char| c.is_alphanumeric() || c == '-') {
            continue;
        }
        let Some(value) = after.trim_start().strip_prefix('=') else { return Some(String::new()) };
        let value = value.trim_start();
        let quoted = value.chars().next().filter(|c| *c == '"' || *c == '\'');
        let text = match quoted {
            Some(quote) => value[1..].split(quote).next(),
            None => value.split_whitespace().next(),
        };
        return text.map(unescaped);
    }
    None
}

fn unescaped(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A link of the page at `base`, as an absolute URL (RFC 3986, section 5.2, as far as indexes use it).
fn absolute(base: &str, link: &str) -> String {
    if link.contains("://") {
        return link.to_owned();
    }
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(rest) = link.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    if link.starts_with('/') {
        return format!("{scheme}://{host}{link}");
    }
    let mut segments: Vec<&str> = path.split('/').collect();
    segments.pop();
    for segment in link.split('/') {
        match segment {
            ".." => {
                segments.pop();
            }
            "." => {}
            other => segments.push(other),
        }
    }
    format!("{scheme}://{host}/{}", segments.join("/"))
}

/// The file to take for a target: the best wheel, else the source archive, of
/// one version and among these hashes (`sha256:…`; all where there are none).
pub fn choose<'a>(
    offers: &'a [Offer],
    project: &str,
    wanted: &str,
    hashes: &[String],
    interpreter: &Interpreter,
) -> Option<&'a Offer> {
    let allowed: BTreeSet<&str> = hashes.iter().filter_map(|hash| hash.strip_prefix("sha256:")).collect();
    let fits =
        |offer: &&Offer| allowed.is_empty() || offer.sha256.as_ref().is_some_and(|sum| allowed.contains(sum.as_str()));
    let same = |offer: &&Offer| version_of(offer.name.as_str(), project).is_some_and(|one| version::same(&one, wanted));
    let candidates: Vec<&Offer> = offers.iter().filter(fits).filter(same).collect();
    match interpreter.best_wheel(candidates.iter().map(|offer| offer.name.as_str())) {
        Some(best) => candidates.get(best).copied(),
        None => candidates.into_iter().find(|offer| !offer.name.as_str().ends_with(".whl")),
    }
}

/// The version that a wheel's or a source archive's name says, where it is the project's.
pub fn version_of(file: &str, project: &str) -> Option<String> {
    if let Ok(wheel) = file.parse::<WheelName>() {
        return (normalise(&wheel.name) == project).then_some(wheel.version);
    }
    let stem = [".tar.gz", ".zip", ".tar.bz2", ".tar.xz"].iter().find_map(|ending| file.strip_suffix(ending))?;
    // Names may contain hyphens, and so may versions of old archives.
    stem.match_indices('-')
        .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
        .find(|(name, _)| normalise(name) == project)
        .map(|(_, version)| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::target;

    const PAGE: &str = r#"<!DOCTYPE html><html><body>
        <a href="../../files/zope_x-1.0-py3-none-any.whl#sha256=AA" data-requires-python="&gt;=3.8">zope_x-1.0-py3-none-any.whl</a><br/>
        <a href="https://other/zope.x-1.0.tar.gz#sha256=bb" data-yanked="broken &amp; bad">zope.x-1.0.tar.gz</a>
        <a data-yanked href='/abs/zope.x-1.1.tar.gz'>zope.x-1.1.tar.gz</a></body></html>"#;

    fn sum(pair: &str) -> String {
        pair.repeat(32)
    }

    fn read(text: &str, index: &str) -> (Vec<Offer>, Vec<Diagnostic>) {
        let index = Index::ours(index).unwrap();
        offers(text, &index, &index.page("zope-x").unwrap())
    }

    fn page() -> Vec<Offer> {
        let text = PAGE.replace("=AA", &format!("={}", sum("AA"))).replace("=bb", &format!("={}", sum("bb")));
        read(&text, "https://index/simple/").0
    }

    #[test]
    fn a_page_is_read_with_its_links_hashes_and_yanks() {
        let offers = page();
        let row = |at: usize| {
            let offer = &offers[at];
            (offer.url.as_str(), offer.sha256.as_ref().map(Sha256::as_str), offer.yanked.as_deref())
        };
        assert_eq!(row(0), ("https://index/files/zope_x-1.0-py3-none-any.whl", Some(sum("aa").as_str()), None));
        assert_eq!(row(1), ("https://other/zope.x-1.0.tar.gz", Some(sum("bb").as_str()), Some("broken & bad")));
        assert_eq!(row(2), ("https://index/abs/zope.x-1.1.tar.gz", None, Some("")));
        assert_eq!(offers.len(), 3);
    }

    #[test]
    fn a_wheel_goes_before_a_source_archive_and_hashes_decide() {
        let offers = page();
        let interpreter = target::interpreter(target::SUITES[0], "amd64").unwrap();
        let chosen = |version: &str, hashes: &[&str]| {
            let hashes: Vec<String> = hashes.iter().map(|hash| format!("sha256:{}", sum(hash))).collect();
            choose(&offers, "zope-x", version, &hashes, &interpreter).map(|offer| offer.name.to_string())
        };
        assert_eq!(chosen("1.0", &["aa", "bb"]).as_deref(), Some("zope_x-1.0-py3-none-any.whl"));
        assert_eq!(chosen("1.0", &["bb"]).as_deref(), Some("zope.x-1.0.tar.gz"));
        assert_eq!(chosen("1.1", &[]).as_deref(), Some("zope.x-1.1.tar.gz"));
        assert_eq!(chosen("1.2", &[]), None);
    }

    #[test]
    fn names_hashes_and_links_that_are_none_are_passed_over_by_name() {
        let href = "https://index/x-1.0-py3-none-any.whl";
        for (href, name) in [
            (href, "x-1.0-py3-none-any/../../../../tmp/evil.whl"),
            (href, "../x-1.0-py3-none-any.whl"),
            (href, "-x-1.0-py3-none-any.whl"),
            (href, "x-1.0\u{1b}[2J-py3-none-any.whl"),
            ("https://index/x.whl#sha256=/etc/passwd", "x-1.0-py3-none-any.whl"),
            ("file:///etc/shadow", "x-1.0-py3-none-any.whl"),
            ("ext::sh -c id", "x-1.0-py3-none-any.whl"),
            ("https://index/x.whl\noutput = /etc/cron.d/x", "x-1.0-py3-none-any.whl"),
            ("https://index/&quot;x.whl", "x-1.0-py3-none-any.whl"),
        ] {
            let (offers, faults) = read(&format!("<a href='{href}'>{name}</a>"), "https://index/simple");
            assert_eq!(offers, [], "{href} {name}");
            let said = faults.iter().map(ToString::to_string).collect::<String>();
            assert!(said.contains("the index https://index/simple offers") && !said.contains('\u{1b}'), "{said}");
        }
        assert_eq!(read("<a href='x'>x 1.0.win32.exe</a>", "https://index").1, []);
    }

    #[test]
    fn an_index_of_this_machine_leads_nowhere_else_on_it() {
        let links = |href: &str| {
            let (offers, _) = read(&format!("<a href='{href}'>x-1.0.zip</a>"), "file:///srv/index/");
            offers.first().map(|offer| offer.url.to_string())
        };
        assert_eq!(links("x-1.0.zip").as_deref(), Some("file:///srv/index/zope-x/x-1.0.zip"));
        assert_eq!(links("../files/x-1.0.zip").as_deref(), Some("file:///srv/index/files/x-1.0.zip"));
        assert_eq!(links("https://index/x-1.0.zip").as_deref(), Some("https://index/x-1.0.zip"));
        for bad in ["/etc/shadow", "../../x", "file:///etc/shadow", "file:///srv/index/../x", "%2e%2e/%2e%2e/x"] {
            assert_eq!(links(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_source_names_indexes_of_other_machines_alone() {
        let ours = [Index::ours("file:///srv/index").unwrap()];
        assert!(Index::foreign("https://index/simple", &[]).is_ok());
        assert!(Index::foreign("file:///srv/index", &ours).is_ok());
        for bad in ["file:///srv/index", "/srv/index", "--upload-pack=x", "ssh://host/x"] {
            assert!(Index::foreign(bad, &[]).is_err(), "{bad}");
        }
    }
}
