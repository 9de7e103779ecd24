//! Which licence a text or a project's metadata names, and who holds the copyright. Pure.

/// A licence, as debian/copyright names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// Short name of the machine-readable format.
    pub name: &'static str,
    /// File in /usr/share/common-licenses, where Debian has it.
    pub common: Option<&'static str>,
}

/// The licence that a text is.
pub fn licence(text: &str) -> Option<Licence> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let has = |phrase: &str| words.contains(phrase);
    // The licences of GNU name one another further down.
    let title: String = words.chars().take(200).collect();
    let titled = |phrase: &str| title.contains(phrase);
    let found = |name, common| Some(Licence { name, common });
    if titled("gnu affero general public license") {
        found("AGPL-3", None)
    } else if titled("gnu lesser general public license") {
        if titled("version 3") { found("LGPL-3", Some("LGPL-3")) } else { found("LGPL-2.1", Some("LGPL-2.1")) }
    } else if titled("gnu general public license") {
        if titled("version 3") { found("GPL-3", Some("GPL-3")) } else { found("GPL-2", Some("GPL-2")) }
    } else if has("apache license") && has("version 2.0") {
        found("Apache-2.0", Some("Apache-2.0"))
    } else if has("mozilla public license") && has("2.0") {
        found("MPL-2.0", Some("MPL-2.0"))
    } else if has("permission is hereby granted, free of charge") {
        found("Expat", None)
    } else if has("redistribution and use in source and binary forms") {
        if has("neither the name") { found("BSD-3-clause", None) } else { found("BSD-2-clause", None) }
    } else if has("permission to use, copy, modify, and") && has("distribute this software") {
        found("ISC", None)
    } else {
        None
    }
}

/// `2010, A Person` from each line of a licence that says who holds the copyright.
pub fn copyright_holders(text: &str) -> Vec<String> {
    let mut holders = Vec::new();
    for line in text.lines().map(str::trim) {
        let lower = line.to_lowercase();
        // The licences of GNU begin with who holds the copyright on themselves.
        let year = lower.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
        let says = lower.starts_with("copyright") && year;
        if !says || lower.contains("free software foundation") {
            continue;
        }
        let rest = line["copyright".len()..].trim_start_matches([':', ' ']);
        let rest = ["(c)", "(C)", "©"].iter().find_map(|sign| rest.strip_prefix(sign)).unwrap_or(rest);
        let rest = rest.trim().trim_end_matches(['.', ',']).to_owned();
        let template = rest.contains(['[', '<', '{']) && !rest.contains('@');
        if !rest.is_empty() && !template && !holders.contains(&rest) {
            holders.push(rest);
        }
    }
    holders
}

/// The licence that metadata names: an SPDX expression of one term, a classifier, or what people write.
pub fn named(words: &str) -> Option<Licence> {
    let lower = words.to_lowercase();
    let last = lower.rsplit("::").next().unwrap_or_default().trim();
    let has = |phrase: &str| last.contains(phrase);
    let found = |name, common| Some(Licence { name, common });
    if has("affero") || has("agpl") {
        found("AGPL-3", None)
    } else if has("lesser") || has("lgpl") {
        if has("3") { found("LGPL-3", Some("LGPL-3")) } else { found("LGPL-2.1", Some("LGPL-2.1")) }
    } else if has("gpl") || has("general public") {
        if has("2") { found("GPL-2", Some("GPL-2")) } else { found("GPL-3", Some("GPL-3")) }
    } else if has("apache") {
        found("Apache-2.0", Some("Apache-2.0"))
    } else if has("mozilla") || has("mpl") {
        found("MPL-2.0", Some("MPL-2.0"))
    } else if last == "mit" || has("mit license") || has("expat") {
        found("Expat", None)
    } else if has("bsd") {
        if has("2") { found("BSD-2-clause", None) } else { found("BSD-3-clause", None) }
    } else if has("isc") {
        found("ISC", None)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_and_holders() {
        let name = |text: &str| licence(text).map(|licence| licence.name);
        assert_eq!(name("MIT\n\nPermission is hereby granted,\nfree of charge, to"), Some("Expat"));
        assert_eq!(name("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007"), Some("GPL-3"));
        assert_eq!(name("Redistribution and use in source and binary forms … Neither the name"), Some("BSD-3-clause"));
        assert_eq!(
            name(&format!(
                "GNU GENERAL PUBLIC LICENSE\nVersion 3, {}\n13. GNU Affero General Public License",
                "x ".repeat(200)
            )),
            Some("GPL-3")
        );
        assert_eq!(name("All rights reserved"), None);
        let text = "MIT\n\nCopyright (c) 2010, 2012 A Person.\nCopyright 2020-2024 B <b@c>\n";
        assert_eq!(copyright_holders(text), ["2010, 2012 A Person", "2020-2024 B <b@c>"]);
        assert!(copyright_holders("Copyright [yyyy] [name of copyright owner] 1").is_empty());
        assert!(copyright_holders("copyright holder, and you cure the violation prior to 30 days after").is_empty());
        assert!(copyright_holders("Copyright (C) 2007 Free Software Foundation, Inc. <https://fsf.org/>").is_empty());
    }

    #[test]
    fn metadata_names_licences_in_many_ways() {
        let name = |words: &str| named(words).map(|licence| licence.name);
        assert_eq!(name("License :: OSI Approved :: MIT License"), Some("Expat"));
        assert_eq!(name("Apache-2.0"), Some("Apache-2.0"));
        assert_eq!(name("GPL-3.0-or-later"), Some("GPL-3"));
        assert_eq!(name("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"), Some("LGPL-3"));
        assert_eq!(name("Proprietary"), None);
    }
}
