//! The list of events, with filters and search.

use maud::{Markup, html};
use serde::Deserialize;
use strum::VariantArray as _;
use time::OffsetDateTime;
use time::macros::format_description;

use super::parse_id;
use crate::admin::{AdminError, Caller, EventMatches, EventSummary, Scope, Search};
use crate::store::DeliveryState;
use crate::verify::Strength;
use crate::web::admin::AdminState;
use crate::web::console::layout::{Head, PageContext, Section};
use crate::web::console::page_context::sentence;
use crate::web::console::parts::{
    BadgeTone, Choice, Facet, FacetValue, NUMBER, Pager, TEXT, badge, count, empty, facets, field,
    id, link_path, name, pager, search, select, size, table, utc, visible, when,
};

const ROWS: u32 = 50;
/// The result of an invalid search.
const NOTHING: EventMatches =
    EventMatches { events: Vec::new(), next: None, looked_back_to: None, complete: true };

/// The query of the list; an empty field does not filter.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(in crate::web::console) struct EventQuery {
    pub(in crate::web::console) q: String,
    /// The field searched: the id if empty, `key`, `type` or `body`.
    pub(in crate::web::console) within: String,
    /// Received at or after this time, as typed.
    pub(in crate::web::console) since: String,
    /// Received before this time, as typed.
    pub(in crate::web::console) until: String,
    pub(in crate::web::console) source: String,
    pub(in crate::web::console) r#type: String,
    pub(in crate::web::console) state: String,
    /// The event before which the page begins.
    pub(in crate::web::console) before: String,
}

pub(in crate::web::console) struct ListPage {
    pub(in crate::web::console) query: EventQuery,
    pub(in crate::web::console) facets: Vec<Facet>,
    pub(in crate::web::console) events: Vec<EventSummary>,
    pub(in crate::web::console) pager: Pager,
    /// Whether the caller may search bodies.
    pub(in crate::web::console) may_search_bodies: bool,
    /// Why the search is invalid, in a sentence.
    pub(in crate::web::console) invalid: Option<String>,
}

pub(super) async fn load(
    admin: &AdminState,
    caller: &Caller,
    query: EventQuery,
) -> Result<ListPage, AdminError> {
    let monitoring = &admin.monitoring;
    let before = given(&query.before).map(|text| parse_id(&text)).transpose()?;
    let found = async { monitoring.events(caller, &query.search()?, before, ROWS).await };
    let (found, invalid) = match found.await {
        // An invalid search is reported beside the search field.
        Err(AdminError::Invalid(why)) => (NOTHING, Some(why)),
        found => (found?, None),
    };
    let known = monitoring.facets(caller).await?;
    let number = count(found.events.len() as u64, "event", "events");
    let shown = match (found.complete, found.looked_back_to) {
        (false, Some(to)) => {
            format!("{number} on this page; searched back to {}, older events may match", utc(to))
        }
        _ => format!("{number}, newest first"),
    };
    let counted = |values: Vec<(String, u64)>| -> Vec<(String, Option<u64>)> {
        values.into_iter().map(|(value, count)| (value, Some(count))).collect()
    };
    let states = DeliveryState::VARIANTS.iter().map(|state| (state.to_string(), None)).collect();
    Ok(ListPage {
        facets: vec![
            Facet {
                label: "Source, last 24 hours",
                values: query.values(counted(known.sources), &query.source, |query, source| {
                    EventQuery { source, ..query.clone() }
                }),
            },
            Facet {
                label: "Type, newest events",
                values: query.values(counted(known.event_types), &query.r#type, |query, r#type| {
                    EventQuery { r#type, ..query.clone() }
                }),
            },
            Facet {
                label: "Deliveries",
                values: query.values(states, &query.state, |query, state| EventQuery {
                    state,
                    ..query.clone()
                }),
            },
        ],
        events: found.events,
        pager: Pager {
            shown,
            first: before.map(|_| query.address(None)),
            next: found.next.map(|next| query.address(Some(&next.to_string()))),
        },
        may_search_bodies: caller.may(Scope::PayloadRead),
        invalid: invalid.as_deref().map(sentence),
        query,
    })
}

impl EventQuery {
    fn search(&self) -> Result<Search, AdminError> {
        let text = |within: &str| given(&self.q).filter(|_| self.within == within);
        Ok(Search {
            source: given(&self.source),
            event_type: text("type").or_else(|| given(&self.r#type)),
            state: given(&self.state).map(|state| parse_state(&state)).transpose()?,
            from: parse_time(&self.since)?,
            to: parse_time(&self.until)?,
            id: text(""),
            key: text("key"),
            text: text("body"),
            ..Search::default()
        })
    }

    /// The values of a filter: `any` and the known ones, each with the list it leads to.
    fn values(
        &self,
        known: Vec<(String, Option<u64>)>,
        chosen: &str,
        with: fn(&Self, String) -> Self,
    ) -> Vec<FacetValue> {
        let any = [("any".to_owned(), None, String::new())].into_iter();
        let known = known.into_iter().map(|(value, count)| (value.clone(), count, value));
        let value = |(label, count, value): (String, Option<u64>, String)| FacetValue {
            label,
            count,
            chosen: value == chosen,
            href: with(self, value).address(None),
        };
        any.chain(known).map(value).collect()
    }

    /// The active filters besides the search fields.
    fn filters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let filters = [("source", &*self.source), ("type", &self.r#type), ("state", &self.state)];
        filters.into_iter().filter(|(_, value)| !value.is_empty())
    }

    /// Whether no filter is active.
    fn is_everything(&self) -> bool {
        [&self.q, &self.since, &self.until].into_iter().all(String::is_empty)
            && self.filters().next().is_none()
    }

    /// The address of a page of this search.
    fn address(&self, before: Option<&str>) -> String {
        address(
            "/events",
            &[
                ("q", &*self.q),
                ("within", &self.within),
                ("since", &self.since),
                ("until", &self.until),
                ("source", &self.source),
                ("type", &self.r#type),
                ("state", &self.state),
                ("before", before.unwrap_or_default()),
            ],
        )
    }

    /// The address of the form that resends the events of this search, as far as its fields do.
    fn resend_address(&self) -> String {
        let searched = if self.within == "type" { &self.q } else { &self.r#type };
        let state = if self.state == "done" || self.state == "dead" { &self.state } else { "" };
        address(
            "/jobs/resend",
            &[
                ("since", &*self.since),
                ("until", &self.until),
                ("source", &self.source),
                ("type", searched),
                ("state", state),
            ],
        )
    }
}

/// An address with the parts that are not empty.
fn address(path: &str, parts: &[(&str, &str)]) -> String {
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<String> =
        parts.map(|(name, value)| format!("{name}={}", link_path(value))).collect();
    format!("{path}?{}", parts.join("&"))
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn parse_state(text: &str) -> Result<DeliveryState, AdminError> {
    text.parse().map_err(|_| {
        let known = DeliveryState::VARIANTS.iter().map(|state| state.as_str());
        let known: Vec<&str> = known.collect();
        let known = known.join(", ");
        AdminError::Invalid(format!("unknown state `{text}`; expected one of {known}"))
    })
}

/// Parses the value of a `datetime-local` field, as UTC.
pub(in crate::web::console) fn parse_time(
    text: &str,
) -> Result<Option<OffsetDateTime>, AdminError> {
    let Some(text) = given(text) else { return Ok(None) };
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute][optional [:[second]]]");
    let time = time::PrimitiveDateTime::parse(&text, format);
    let time = time.map_err(|_| AdminError::Invalid(format!("invalid time `{text}`")))?;
    Ok(Some(time.assume_utc()))
}

pub(in crate::web::console) fn page(cx: &PageContext, page: &ListPage) -> Markup {
    let head = Head {
        title: "Events",
        lead: "Received and verified events.",
        section: Some(Section::Events),
        actions: cx.may(Scope::EventsReplay).then(|| {
            html! { a .button href=(page.query.resend_address()) { "Resend events" } }
        }),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Events" {
                (search_form(page))
                (facets(&page.facets))
                div #list data-live="15" {
                    @if let Some(invalid) = &page.invalid {
                        (empty("Invalid search", &visible(invalid)))
                    } @else if page.events.is_empty() {
                        @if page.query.is_everything() {
                            (empty("No events yet", "Verified events appear here."))
                        } @else {
                            (empty("No events", "No event matches the filter."))
                        }
                    } @else {
                        (rows(cx, &page.events))
                        (pager(&page.pager))
                    }
                }
            }
        },
    )
}

fn search_form(page: &ListPage) -> Markup {
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let mut within = vec![choice("", "id"), choice("key", "key"), choice("type", "type")];
    if page.may_search_bodies {
        within.push(choice("body", "text in the body"));
    }
    let query = &page.query;
    search(
        "/events",
        "Search",
        "an id",
        &query.q,
        &html! {
            div .field .narrow { (select("within", "within", "In", &within, &query.within)) }
            div .field .moment { (field("since", "Since (UTC)", "", &html! {
                input #since type="datetime-local" name="since" value=(query.since);
            })) }
            div .field .moment { (field("until", "Until (UTC)", "", &html! {
                input #until type="datetime-local" name="until" value=(query.until);
            })) }
            @for (name, value) in query.filters() { input type="hidden" name=(name) value=(value); }
        },
    )
}

pub(in crate::web::console) fn rows(cx: &PageContext, events: &[EventSummary]) -> Markup {
    let columns = [
        ("Received", TEXT),
        ("Source", TEXT),
        ("Type", TEXT),
        ("Deliveries", TEXT),
        ("Proof", TEXT),
        ("Size", NUMBER),
        ("Id", TEXT),
    ];
    let row = |event: &EventSummary| {
        vec![
            html! { a href={ "/events/" (event.id) } { (when(event.received_at, cx.now)) } },
            name(&event.source),
            name(&event.event_type),
            deliveries(event),
            html! {
                @match event.strength {
                    Strength::Edited => (badge("edited", BadgeTone::Warn)),
                    strength => (strength.as_str()),
                }
            },
            html! { (size(event.size_bytes)) },
            id(&event.id.to_string()),
        ]
    };
    let rows: Vec<Vec<Markup>> = events.iter().map(row).collect();
    table("Events", &columns, &rows)
}

fn deliveries(event: &EventSummary) -> Markup {
    let counts = event.deliveries;
    let states = [
        ("ready", counts.ready),
        ("leased", counts.leased),
        ("done", counts.done),
        ("dead", counts.dead),
        ("resolved", counts.resolved),
    ];
    let text = |number: u64, state: &str| match number {
        1 => state.to_owned(),
        _ => format!("{number} {state}"),
    };
    html! {
        @for (state, number) in states.into_iter().filter(|(_, number)| *number > 0) {
            (badge(&text(number, state), BadgeTone::of(state))) " "
        }
    }
}
