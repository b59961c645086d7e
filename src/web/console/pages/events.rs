//! The list of events, with filters and search.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, Choice, Facet, NUMBER, Pager, TEXT, empty, facets, field, id, link_path, name,
    pager, said, search, select, size, table, when, word,
};

/// The list.
pub(in crate::web::console) struct View {
    /// The search.
    pub(in crate::web::console) asked: Asked,
    /// The filters.
    pub(in crate::web::console) facets: Vec<Facet>,
    /// The rows of this page, newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
    /// Whether the caller may search bodies.
    pub(in crate::web::console) bodies: bool,
    /// Why the search is invalid, in a sentence.
    pub(in crate::web::console) wrong: Option<String>,
}

/// The search; an empty field does not filter.
#[derive(Debug, Clone, Default)]
pub(in crate::web::console) struct Asked {
    /// The text.
    pub(in crate::web::console) q: String,
    /// The field searched: `id`, `key`, `type` or `body`.
    pub(in crate::web::console) within: String,
    /// Received since, as typed.
    pub(in crate::web::console) since: String,
    /// Received until, as typed.
    pub(in crate::web::console) until: String,
    /// Active filters: names and values, sent along with a search.
    pub(in crate::web::console) kept: Vec<(String, String)>,
}

impl Asked {
    /// Whether no filter is active.
    fn is_everything(&self) -> bool {
        [&self.q, &self.since, &self.until].into_iter().all(String::is_empty)
            && self.kept.is_empty()
    }
}

/// An event.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// Its type.
    pub(in crate::web::console) kind: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// Its deliveries: states and counts.
    pub(in crate::web::console) states: Vec<(String, u64)>,
    /// The size of its body, in bytes.
    pub(in crate::web::console) size: u64,
    /// The strength of its proof.
    pub(in crate::web::console) strength: String,
    /// When it was received.
    pub(in crate::web::console) received_at: OffsetDateTime,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Events",
        lead: "Received and verified events.",
        section: Some(Section::Events),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Events" {
                (looks(view))
                (facets(&view.facets))
                div #list data-live="15" {
                    @if let Some(wrong) = &view.wrong {
                        (empty("Invalid search", &said(wrong)))
                    } @else if view.rows.is_empty() {
                        @if view.asked.is_everything() {
                            (empty("No events yet", "Verified events appear here."))
                        } @else {
                            (empty("No events", "No event matches the filter."))
                        }
                    } @else {
                        (list(cx, &view.rows))
                        (pager(&view.pager))
                    }
                }
            }
        },
    )
}

fn looks(view: &View) -> Markup {
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let mut within = vec![choice("", "id"), choice("key", "key"), choice("type", "type")];
    if view.bodies {
        within.push(choice("body", "text in the body"));
    }
    let asked = &view.asked;
    search(
        "/events",
        "Search",
        "an id",
        &asked.q,
        &html! {
            div .field .narrow { (select("within", "within", "In", &within, &asked.within)) }
            div .field .moment { (field("since", "Since (UTC)", "", &html! {
                input #since type="datetime-local" name="since" value=(asked.since);
            })) }
            div .field .moment { (field("until", "Until (UTC)", "", &html! {
                input #until type="datetime-local" name="until" value=(asked.until);
            })) }
            @for (name, value) in &asked.kept { input type="hidden" name=(name) value=(value); }
        },
    )
}

/// The table of events, shared by several pages.
pub(in crate::web::console) fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Received", TEXT),
        ("Source", TEXT),
        ("Type", TEXT),
        ("Deliveries", TEXT),
        ("Proof", TEXT),
        ("Size", NUMBER),
        ("Id", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! { a href={ "/events/" (link_path(&row.id)) } { (when(row.received_at, cx.now)) } },
        name(&row.source),
        name(&row.kind),
        html! {
            @for (state, number) in &row.states {
                (word(&if *number == 1 { state.clone() } else { format!("{number} {state}") }, BadgeTone::of(state))) " "
            }
        },
        html! {
            @if row.strength == "edited" { (word("edited", BadgeTone::Warn)) } @else { (said(&row.strength)) }
        },
        html! { (size(row.size)) },
        id(&row.id),
    ]).collect();
    table("Events", &columns, &rows)
}
