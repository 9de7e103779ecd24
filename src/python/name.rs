//! Names of distributions, extras and groups.
//!
//! Owns the one spelling in which names are compared; knows nothing of versions.

/// The normalised form of a name: lower case, each run of `-`, `_` and `.` one `-`
/// (PEP 503, "Normalized Names"; PEP 685 and PEP 735 use it for extras and groups).
pub fn normalise(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    let mut in_run = false;
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !in_run {
                normalised.push('-');
            }
            in_run = true;
        } else {
            normalised.push(character.to_ascii_lowercase());
            in_run = false;
        }
    }
    normalised
}

/// Whether `name` is a distribution's or extra's name at all (PEP 508, "Names").
pub fn is_valid(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().all(inner)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_spelling_for_all() {
        for spelling in ["Zope.Interface", "zope-interface", "ZOPE__interface", "zope.-_interface"] {
            assert_eq!(normalise(spelling), "zope-interface");
        }
    }

    #[test]
    fn names_begin_and_end_with_a_letter_or_digit() {
        assert!(is_valid("a") && is_valid("Py3.x_y-z"));
        assert!(!is_valid("") && !is_valid("-a") && !is_valid("a.") && !is_valid("a b") && !is_valid("é"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(name in "[A-Za-z0-9._-]{0,20}") {
            let once = normalise(&name);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
