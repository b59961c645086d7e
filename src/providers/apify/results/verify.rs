//! Checks whether a profile contains a code.
//!
//! The code may be anywhere in the description, in upper or lower case, and broken over lines by
//! the platform: white space and zero-width characters are removed from both before they are
//! compared. Only the profile of the requested account counts.

use super::item::Profile;

/// The result of a verification run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The description contains the code.
    Confirmed,
    /// The description does not contain the code.
    Denied,
    /// The description is unavailable.
    Unreachable,
}

impl Finding {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Looks for `code` in the profiles of `handle`, which is in lower case.
pub(crate) fn find_code(profiles: &[Profile], handle: &str, code: &str) -> Finding {
    let code = normalised(code);
    let bios = profiles.iter().filter(|profile| profile.handle == handle);
    let mut finding = Finding::Unreachable;
    for bio in bios.filter_map(|profile| profile.bio.as_deref()) {
        if normalised(bio).contains(&code) {
            return Finding::Confirmed;
        }
        finding = Finding::Denied;
    }
    finding
}

fn normalised(text: &str) -> String {
    let is_visible = |character: &char| {
        !character.is_whitespace()
            && !matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    text.chars().filter(is_visible).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(handle: &str, bio: Option<&str>) -> Profile {
        Profile { handle: handle.into(), bio: bio.map(str::to_owned) }
    }

    #[test]
    fn code_is_found_in_any_spelling_of_the_platform() {
        for bio in [
            "SP-7K2M9QXA",
            "hello sp-7k2m9qxa!",
            "verify:\nSP-7K2M\n9QXA",
            "SP-\u{200b}7K2M9QXA \u{1f600}",
            "SP-7K2M9QXA\u{a0}",
        ] {
            let found = find_code(&[profile("ada", Some(bio))], "ada", "SP-7K2M9QXA");
            assert_eq!(found, Finding::Confirmed, "{bio:?}");
        }
    }

    #[test]
    fn only_the_description_of_this_account_counts() {
        let code = "SP-7K2M9QXA";
        for (profiles, finding) in [
            (vec![], Finding::Unreachable),
            (vec![profile("ada", None)], Finding::Unreachable),
            (vec![profile("eve", Some(code))], Finding::Unreachable),
            (vec![profile("ada", Some(""))], Finding::Denied),
            (vec![profile("ada", Some("SP-7K2M9QXB"))], Finding::Denied),
            (vec![profile("ada", Some("")), profile("eve", Some(code))], Finding::Denied),
            (vec![profile("ada", Some("")), profile("ada", Some(code))], Finding::Confirmed),
        ] {
            assert_eq!(find_code(&profiles, "ada", code), finding, "{profiles:?}");
        }
    }
}
