//! A sample of every page.

use maud::Markup;

use super::Texts;
use crate::http::console::frame::Stage;
use crate::http::console::parts::Pager;

mod letters;
mod people;
mod traffic;

fn pager() -> Pager {
    Pager { shown: "2 of 2 012".into(), first: Some("/x".into()), next: Some("/x?after=2".into()) }
}

fn course() -> Vec<u64> {
    (0..24).map(|hour| (hour * 7) % 11 + hour).collect()
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    [letters::all, people::all, traffic::all].iter().flat_map(|all| all(stage, t)).collect()
}
