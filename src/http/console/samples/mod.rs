//! Views for the tests of pages: each can be had with a stranger's worst in every text.

use time::OffsetDateTime;
use time::macros::datetime;

use super::frame::{Flash, Section, Stage, Viewer};
use crate::operator::{Caller, Scopes};

mod events;
mod pages;

/// When the samples are looked at.
const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
/// What a stranger would write to get out of wherever it is put.
const WORST: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}";

/// Gives the texts of a sample.
pub(super) struct Texts {
    worst: bool,
}

impl Texts {
    /// This text; with the worst behind it where that is asked for.
    fn of(&self, text: &str) -> String {
        if self.worst { format!("{text}{WORST}") } else { text.to_owned() }
    }
}

/// Every section, as whoever may do everything sees them.
const SECTIONS: &[&[Section]] = &[
    &[Section::Overview],
    &[Section::Events, Section::DeadLetters, Section::Jobs, Section::Transfers, Section::Held],
    &[Section::Explain],
    &[Section::Sources, Section::Holds, Section::Destinations, Section::Alerts],
    &[Section::Audit, Section::Keys, Section::People, Section::Settings, Section::Account],
];

fn stage(texts: &Texts) -> Stage {
    let caller = Caller::new(texts.of("ada"), Some(texts.of("acme")), Scopes::all());
    let viewer = Viewer { caller, csrf: Some(texts.of("csrf-word")) };
    Stage {
        viewer,
        now: NOW,
        sections: SECTIONS,
        flash: Some(Flash { text: texts.of("It is done."), link: None }),
    }
}

/// The markup of every page.
fn every(texts: &Texts) -> Vec<(&'static str, String)> {
    let stage = stage(texts);
    let all = events::all(&stage, texts).into_iter().chain(pages::all(&stage, texts));
    all.map(|(name, page)| (name, page.into_string())).collect()
}

#[test]
fn no_text_of_a_stranger_gets_out_of_where_it_is_put_on_any_page() {
    let plain = every(&Texts { worst: false });
    let worst = every(&Texts { worst: true });
    for ((name, plain), (_, worst)) in plain.iter().zip(&worst) {
        let count = |page: &str, what: char| page.matches(what).count();
        let is_bare = name.starts_with("sign-in-code") || name.starts_with("link-");
        assert!(is_bare || worst.contains("alert(1)"), "{name}: the worst is on it");
        assert_eq!(count(plain, '<'), count(worst, '<'), "{name}: no element of a stranger's");
        assert_eq!(count(plain, '"'), count(worst, '"'), "{name}: no attribute of a stranger's");
        let shown = outside_fields(worst);
        assert!(!shown.contains('\u{202e}'), "{name}: nothing turns the text around it");
    }
}

/// A page without what stands in its fields, which goes back as it came.
fn outside_fields(page: &str) -> String {
    let mut shown = String::new();
    for (begin, end) in [(" value=\"", "\""), ("<textarea", "</textarea>")] {
        let before = if shown.is_empty() { page.to_owned() } else { shown };
        let mut parts = before.split(begin);
        shown = parts.next().unwrap_or_default().to_owned();
        shown.extend(parts.filter_map(|part| part.split_once(end)).map(|(_, rest)| rest));
    }
    shown
}

#[test]
fn every_page_is_a_whole_document_with_its_landmarks() {
    for (name, page) in every(&Texts { worst: false }) {
        for part in ["<!DOCTYPE html>", "<html lang=\"en\">", "<main ", "<h1>", "Sealpost</title>"]
        {
            assert_eq!(page.matches(part).count(), 1, "{part} of {name}");
        }
        assert!(!page.contains(" style=") && !page.contains(" onclick="), "{name}");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots/samples");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(format!("{folder}/{name}.html"), page).unwrap();
    }
}
