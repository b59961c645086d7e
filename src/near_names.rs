//! Known names that an unknown one may have meant, for messages.

use std::collections::BTreeSet;

/// How many names a message has.
const MOST: usize = 5;
/// The similarity, of 1, from which two names are near.
const NEAR: f64 = 0.85;
/// The similarity of a name that contains the other.
const CONTAINS: f64 = 0.9;
/// A shorter part is contained in too much.
const SHORTEST_PART: usize = 3;

/// The known names that are near, the nearest first.
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    near_titled(name, known.into_iter().map(|one| (one, "")))
}

/// The same, for names with a title, such as that of a sender.
pub fn near_titled<'a>(
    name: &str,
    known: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<&'a str> {
    let name = name.trim().to_lowercase();
    let scored = known.into_iter().map(|(one, title)| (similarity(&name, one, title), one));
    let mut near: Vec<(f64, &str)> = scored.filter(|(score, _)| *score >= NEAR).collect();
    // Stable: names that are equally near keep their order.
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(MOST).map(|(_, one)| one).collect()
}

/// The near names in parentheses, after a space; empty if there are none.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match near(name, known).as_slice() {
        [] => String::new(),
        near => format!(" (similar: {})", near.join(", ")),
    }
}

/// The name with similar ones, or all that there are if none is similar.
pub fn described(kind: &str, name: &str, known: BTreeSet<&str>) -> String {
    let near = hint(name, known.iter().copied());
    if known.is_empty() || !near.is_empty() {
        return format!("{kind} `{name}`{near}");
    }
    let known: Vec<&str> = known.into_iter().collect();
    format!("{kind} `{name}` (known: {})", known.join(", "))
}

fn similarity(name: &str, known: &str, title: &str) -> f64 {
    let (known, title) = (known.to_lowercase(), title.to_lowercase());
    let contains = |whole: &str, part: &str| part.len() >= SHORTEST_PART && whole.contains(part);
    let contained = contains(&known, name) || contains(name, &known) || contains(&title, name);
    let similarity = strsim::jaro_winkler(name, &known);
    if contained { similarity.max(CONTAINS) } else { similarity }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["github", "gitlab", "billing", "billing-test", "slack", "x"];

    #[test]
    fn typing_mistakes_are_near() {
        for (name, first) in [
            ("gihtub", "github"),
            ("GitHub", "github"),
            ("gitlib", "gitlab"),
            ("biling", "billing"),
            ("slack-events", "slack"),
        ] {
            assert_eq!(near(name, KNOWN).first(), Some(&first), "{name}");
        }
        for name in ["", "zulip", "x-y-z", "payments"] {
            assert!(near(name, KNOWN).is_empty(), "{name}: {:?}", near(name, KNOWN));
        }
    }

    #[test]
    fn nearest_is_first_and_titles_count() {
        assert_eq!(near("billing-tes", KNOWN), ["billing-test", "billing"]);
        let titled = [("dropbox-sign", "Dropbox Sign (HelloSign)"), ("slack", "Slack")];
        assert_eq!(near_titled("hellosign", titled), ["dropbox-sign"]);
        assert_eq!(hint("slak", KNOWN), " (similar: slack)");
        assert_eq!(hint("zulip", KNOWN), "");
    }
}
