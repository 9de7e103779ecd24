//! A project's page of a package index (PEP 503, PEP 592): text in, files out.
//!
//! Owns the reading of the page and the choice of files for a target. Fetches
//! nothing.

use std::collections::BTreeSet;

use crate::helper::venv::interpreter::{Interpreter, WheelName};
use crate::helper::venv::name::normalise;
use crate::helper::venv::version;

/// A file that an index offers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// File name.
    pub name: String,
    /// Absolute URL, without a fragment.
    pub url: String,
    /// sha256, where the page says it.
    pub sha256: Option<String>,
    /// The reason given where the file is yanked; it may be empty.
    pub yanked: Option<String>,
}

/// Every file of the page that was read from `base`.
pub fn offers(page: &str, base: &str) -> Vec<Offer> {
    let mut offers = Vec::new();
    for part in page.split("<a ").skip(1) {
        let Some((attributes, rest)) = part.split_once('>') else { continue };
        let name = unescaped(rest.split('<').next().unwrap_or_default().trim());
        let Some(href) = attribute(attributes, "href") else { continue };
        let (location, fragment) = href.split_once('#').unwrap_or((&href, ""));
        let sha256 = fragment.split('&').find_map(|pair| pair.strip_prefix("sha256=")).map(str::to_lowercase);
        offers.push(Offer {
            name,
            url: absolute(base, location),
            sha256,
            yanked: attribute(attributes, "data-yanked"),
        });
    }
    offers
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
    let fits = |offer: &&Offer| allowed.is_empty() || offer.sha256.as_deref().is_some_and(|sum| allowed.contains(sum));
    let same = |offer: &&Offer| version_of(&offer.name, project).is_some_and(|one| version::same(&one, wanted));
    let candidates: Vec<&Offer> = offers.iter().filter(fits).filter(same).collect();
    match interpreter.best_wheel(candidates.iter().map(|offer| offer.name.as_str())) {
        Some(best) => candidates.get(best).copied(),
        None => candidates.into_iter().find(|offer| !offer.name.ends_with(".whl")),
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

    #[test]
    fn a_page_is_read_with_its_links_hashes_and_yanks() {
        let offers = offers(PAGE, "https://index/simple/zope-x/");
        let row = |at: usize| (offers[at].url.as_str(), offers[at].sha256.as_deref(), offers[at].yanked.as_deref());
        assert_eq!(row(0), ("https://index/files/zope_x-1.0-py3-none-any.whl", Some("aa"), None));
        assert_eq!(row(1), ("https://other/zope.x-1.0.tar.gz", Some("bb"), Some("broken & bad")));
        assert_eq!(row(2), ("https://index/abs/zope.x-1.1.tar.gz", None, Some("")));
        assert_eq!(offers.len(), 3);
    }

    #[test]
    fn a_wheel_goes_before_a_source_archive_and_hashes_decide() {
        let offers = offers(PAGE, "https://index/simple/zope-x/");
        let interpreter = target::interpreter(target::SUITES[0], "amd64").unwrap();
        let chosen = |version: &str, hashes: &[&str]| {
            let hashes: Vec<String> = hashes.iter().map(|hash| format!("sha256:{hash}")).collect();
            choose(&offers, "zope-x", version, &hashes, &interpreter).map(|offer| offer.name.clone())
        };
        assert_eq!(chosen("1.0", &["aa", "bb"]).as_deref(), Some("zope_x-1.0-py3-none-any.whl"));
        assert_eq!(chosen("1.0", &["bb"]).as_deref(), Some("zope.x-1.0.tar.gz"));
        assert_eq!(chosen("1.1", &[]).as_deref(), Some("zope.x-1.1.tar.gz"));
        assert_eq!(chosen("1.2", &[]), None);
    }
}
