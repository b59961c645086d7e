//! One event: payload, proof, deliveries and timeline.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section};
use super::super::parts::{
    BadgeTone, NUMBER, TEXT, command, empty, link_path, name, number, panel, said, stamp, table,
    when, word,
};
use super::events;
use super::parts_of_event::{Event, facts, life, payload, proof};
use super::transfers::{Map, map};
use crate::admin::TimelineEntry;

/// An event with its deliveries and timeline.
pub(in crate::web::console) struct View {
    /// The event.
    pub(in crate::web::console) event: Event,
    /// The chunk map of a chunked event.
    pub(in crate::web::console) chunks: Option<Map>,
    /// The timeline, oldest first.
    pub(in crate::web::console) steps: Vec<TimelineEntry>,
    /// Its deliveries.
    pub(in crate::web::console) deliveries: Vec<Delivery>,
    /// Other events of its lane, nearest first.
    pub(in crate::web::console) related: Vec<events::Row>,
    /// Its lane.
    pub(in crate::web::console) lane: Option<String>,
    /// The original of an edited event, and who edited it.
    pub(in crate::web::console) edited: Option<(String, String)>,
    /// Edited copies of it, oldest first: the event, by whom and when.
    pub(in crate::web::console) edits: Vec<(String, String, OffsetDateTime)>,
    /// The transfer it came from.
    pub(in crate::web::console) transfer: Option<i64>,
    /// Available actions: address and label.
    pub(in crate::web::console) more: Vec<(String, &'static str)>,
    /// Equivalent commands: a label and the command.
    pub(in crate::web::console) commands: Vec<(&'static str, String)>,
}

/// A delivery of it.
pub(in crate::web::console) struct Delivery {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The state: a stored value.
    pub(in crate::web::console) state: String,
    /// How it was resolved.
    pub(in crate::web::console) resolution: Option<String>,
    /// Attempts started.
    pub(in crate::web::console) attempts: u64,
    /// When it was created.
    pub(in crate::web::console) created_at: OffsetDateTime,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let lead = format!("Source {}, id {}", view.event.source, view.event.id);
    let head = Head {
        title: &view.event.kind,
        lead: &lead,
        section: Some(Section::Events),
        below: true,
        actions: Some(html! {
            @for (href, label) in &view.more { a .button href=(href) { (label) } }
        }),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            div .beside {
                div .stack {
                    (panel("Deliveries", &html! {}, &deliveries(cx, &view.deliveries)))
                    (life(&view.steps, None, cx.now))
                    (payload(view.event.payload.as_ref()))
                    @if !view.related.is_empty() {
                        (panel("In the same lane", &html! {
                            @if let Some(lane) = &view.lane { code { (said(lane)) } }
                        }, &events::list(cx, &view.related)))
                    }
                }
                div .stack {
                    (facts(cx, &view.event))
                    (proof(&view.event.proof))
                    @if view.edited.is_some() || !view.edits.is_empty() {
                        (panel("Edits", &html! {}, &edits(cx, view)))
                    }
                    @if let Some(chunks) = &view.chunks {
                        (panel("Chunks", &html! { @if let Some(id) = view.transfer {
                            a href={ "/transfers/" (id) } { "Transfer " (id) }
                        } }, &html! { div .pad { (map(chunks)) } }))
                    }
                    @if !view.commands.is_empty() {
                        (panel("Command line", &html! {}, &html! { div .pad { div .stack {
                            @for (place, (label, text)) in view.commands.iter().enumerate() {
                                (command(&format!("command-{place}"), label, text))
                            }
                        } } }))
                    }
                }
            }
        },
    )
}

fn edits(cx: &PageContext, view: &View) -> Markup {
    let event = |id: &str| html! { a .mono href={ "/events/" (link_path(id)) } { (said(id)) } };
    html! { div .pad { div .tight {
        @if let Some((original, by)) = &view.edited {
            p {
                "No provider sent this body: " (said(by)) " edited it from " (event(original))
                ", which is unchanged. Destinations receive the header "
                code { "sealpost-edited" } "."
            }
        }
        @for (id, by, at) in &view.edits {
            p { "Edited by " (said(by)) ", " (stamp(*at, cx.now)) ": " (event(id)) }
        }
    } } }
}

fn deliveries(cx: &PageContext, deliveries: &[Delivery]) -> Markup {
    if deliveries.is_empty() {
        return empty("No deliveries", "No handler is configured for this event type.");
    }
    let columns = [
        ("Delivery", TEXT),
        ("Handler", TEXT),
        ("State", TEXT),
        ("Attempts", NUMBER),
        ("Created", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = deliveries
        .iter()
        .map(|one| {
            vec![
                html! { a href={ "/deliveries/" (one.id) } { (one.id) } },
                name(&one.handler),
                html! {
                    (word(&one.state, BadgeTone::of(&one.state)))
                    @if let Some(how) = &one.resolution { " " (word(how, BadgeTone::of(how))) }
                },
                html! { (number(one.attempts)) },
                when(one.created_at, cx.now),
            ]
        })
        .collect();
    table("Deliveries", &columns, &rows)
}
