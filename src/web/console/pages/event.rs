//! One event: what came in, why it was believed, what became of it.

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

/// An event and what is about it.
pub(in crate::web::console) struct View {
    /// The event.
    pub(in crate::web::console) event: Event,
    /// For one that came in chunks: which came when.
    pub(in crate::web::console) chunks: Option<Map>,
    /// What happened, oldest first.
    pub(in crate::web::console) steps: Vec<TimelineEntry>,
    /// Its deliveries.
    pub(in crate::web::console) deliveries: Vec<Delivery>,
    /// Others of its lane, the nearest first.
    pub(in crate::web::console) related: Vec<events::Row>,
    /// Its lane.
    pub(in crate::web::console) lane: Option<String>,
    /// The event that it was made of by an edit, and by whom.
    pub(in crate::web::console) edited: Option<(String, String)>,
    /// What was made of it by edits, oldest first: the event, by whom and when.
    pub(in crate::web::console) edits: Vec<(String, String, OffsetDateTime)>,
    /// The transfer that it came by.
    pub(in crate::web::console) transfer: Option<i64>,
    /// What can be done with it: where, and what it is called.
    pub(in crate::web::console) more: Vec<(String, &'static str)>,
    /// The same by other ways: what it does, and the command.
    pub(in crate::web::console) commands: Vec<(&'static str, String)>,
}

/// A delivery of it.
pub(in crate::web::console) struct Delivery {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// The handler.
    pub(in crate::web::console) handler: String,
    /// The state's stored word.
    pub(in crate::web::console) state: String,
    /// How it was resolved.
    pub(in crate::web::console) resolution: Option<String>,
    /// Attempts begun.
    pub(in crate::web::console) attempts: u64,
    /// When it was made.
    pub(in crate::web::console) created_at: OffsetDateTime,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let lead = format!("From {}, id {}", view.event.source, view.event.id);
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
                        (panel("As a command", &html! {}, &html! { div .pad { div .stack {
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
                "Nobody sent this body: " (said(by)) " made it of " (event(original))
                ", which is kept as it was. Destinations are told so by a header, "
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
        return empty("No deliveries", "No handler takes events of this type.");
    }
    let columns = [
        ("Delivery", TEXT),
        ("Handler", TEXT),
        ("State", TEXT),
        ("Attempts", NUMBER),
        ("Made", NUMBER),
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
