//! Whether a profile carries a code.
//!
//! The code counts wherever it stands in the description, in capitals or not, also where the
//! platform broke it over lines: white space and characters that take no room are left out of
//! both before they are compared. Only the profile of the account that was asked for counts.

use super::item::Profile;

/// What a run comes to about a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The code is there.
    Confirmed,
    /// The description is there, and the code is not.
    Denied,
    /// Nobody saw the description.
    Unreachable,
}

impl Finding {
    /// The stored word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Looks for `code` in what was found of `handle`, which is in lower case.
pub(crate) fn look(profiles: &[Profile], handle: &str, code: &str) -> Finding {
    let code = squeezed(code);
    let bios = profiles.iter().filter(|profile| profile.handle == handle);
    let mut finding = Finding::Unreachable;
    for bio in bios.filter_map(|profile| profile.bio.as_deref()) {
        if squeezed(bio).contains(&code) {
            return Finding::Confirmed;
        }
        finding = Finding::Denied;
    }
    finding
}

fn squeezed(text: &str) -> String {
    let takes_room = |character: &char| {
        !character.is_whitespace()
            && !matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    text.chars().filter(takes_room).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(handle: &str, bio: Option<&str>) -> Profile {
        Profile { handle: handle.into(), bio: bio.map(str::to_owned) }
    }

    #[test]
    fn a_code_is_found_in_whatever_spelling_the_platform_shows_it() {
        for bio in [
            "SP-7K2M9QXA",
            "hello sp-7k2m9qxa!",
            "verify:\nSP-7K2M\n9QXA",
            "SP-\u{200b}7K2M9QXA \u{1f600}",
            "SP-7K2M9QXA\u{a0}",
        ] {
            let found = look(&[profile("ada", Some(bio))], "ada", "SP-7K2M9QXA");
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
            assert_eq!(look(&profiles, "ada", code), finding, "{profiles:?}");
        }
    }
}
