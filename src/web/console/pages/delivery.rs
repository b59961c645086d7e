//! One delivery in any state: its history and the available actions.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, command, confirm, count, link_path, panel, said, stamp, terms, word,
};
use super::parts_of_event::{Event, facts, life, payload, proof};
use crate::admin::{Scope, TimelineEntry};

/// A delivery.
pub(in crate::web::console) struct View {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// The state: a stored value.
    pub(in crate::web::console) state: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// The handler's name.
    pub(in crate::web::console) handler: String,
    /// Why it was dead-lettered: a stored value.
    pub(in crate::web::console) death_reason: Option<String>,
    /// How it was resolved, and when.
    pub(in crate::web::console) resolved: Option<(String, OffsetDateTime)>,
    /// Who resolved it and why, if recorded.
    pub(in crate::web::console) resolved_by: Option<(String, String)>,
    /// The deliveries created by replaying it.
    pub(in crate::web::console) replays: Vec<i64>,
    /// The event created by editing its event.
    pub(in crate::web::console) edited_as: Option<String>,
    /// The delivery it replays.
    pub(in crate::web::console) replay_of: Option<i64>,
    /// Attempts started.
    pub(in crate::web::console) attempts: i32,
    /// When it was created.
    pub(in crate::web::console) created_at: OffsetDateTime,
    /// When it was completed or dead-lettered.
    pub(in crate::web::console) finished_at: Option<OffsetDateTime>,
    /// Its lane.
    pub(in crate::web::console) lane: Option<String>,
    /// Its group of similar dead letters, once assigned.
    pub(in crate::web::console) group: Option<i64>,
    /// The number of deliveries it blocks in its lane.
    pub(in crate::web::console) waiting: u64,
    /// The last error; `None` without an error or without the scope.
    pub(in crate::web::console) error: Option<String>,
    /// The event's id.
    pub(in crate::web::console) event_id: String,
    /// The event; `None` once deleted by retention.
    pub(in crate::web::console) event: Option<Event>,
    /// The timeline, oldest first.
    pub(in crate::web::console) steps: Vec<TimelineEntry>,
    /// The link to the edit page, or why editing is impossible; `None` without the scope.
    pub(in crate::web::console) edit: Option<Result<String, &'static str>>,
    /// Equivalent commands: a label and the command.
    pub(in crate::web::console) commands: Vec<(&'static str, String)>,
}

impl View {
    fn is_open(&self) -> bool {
        self.state == "dead" && self.resolved.is_none()
    }
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let title = format!("Delivery {}", view.id);
    let lead = format!("Source {}, handler {}", view.source, view.handler);
    let head = Head {
        title: &title,
        lead: &lead,
        section: Some(Section::DeadLetters),
        below: true,
        ..Head::default()
    };
    cx.page(&head, &html! {
        (verdict(cx, view))
        div .beside {
            div .stack {
                (life(&view.steps, Some(view.id), cx.now))
                @match &view.event {
                    Some(event) => (payload(event.payload.as_ref())),
                    None => (panel("Body", &html! {}, &html! {
                        div .empty { p { "The event was deleted at the end of its retention." } }
                    })),
                }
            }
            div .stack {
                (actions(cx, view))
                (delivery(cx, view))
                @if let Some(event) = &view.event {
                    (facts(cx, event))
                    (proof(&event.proof))
                }
            }
        }
    })
}

fn verdict(cx: &PageContext, view: &View) -> Markup {
    let hidden = !cx.may(Scope::PayloadRead);
    html! {
        div .notes {
            @if view.state == "dead" {
                (note("dead", BadgeTone::Bad, &html! {
                    strong { (said(view.death_reason.as_deref().unwrap_or("no reason recorded"))) }
                    @if let Some(error) = &view.error { ": " span .said { (said(error)) } }
                    @if hidden { ". Error texts require the scope " code { "payload:read" } "." }
                }))
            }
            @if let Some((how, at)) = &view.resolved {
                (note(how, BadgeTone::of(how), &resolution(cx, view, *at)))
            }
            @if view.waiting > 0 {
                (note("lane blocked", BadgeTone::Warn, &html! {
                    (count(view.waiting, "delivery waits", "deliveries wait"))
                    " in its lane until it is replayed or discarded, or the lane is unblocked."
                }))
            }
        }
    }
}

/// Who resolved it, when and why, and the result.
fn resolution(cx: &PageContext, view: &View, at: OffsetDateTime) -> Markup {
    html! {
        @match &view.resolved_by {
            Some((who, why)) => {
                strong { (said(who)) } " resolved it, " (stamp(at, cx.now))
                @if !why.is_empty() { ": " span .said { (said(why)) } }
            },
            None => { "Resolved by an operator, " (stamp(at, cx.now)) },
        }
        "."
        @for id in &view.replays { " " a href={ "/deliveries/" (id) } { "Delivery " (id) } }
        @if let Some(event) = &view.edited_as {
            " of " a href={ "/events/" (link_path(event)) } { "the edited event" }
        }
    }
}

fn delivery(cx: &PageContext, view: &View) -> Markup {
    panel(
        "Delivery",
        &html! {},
        &terms(&[
            ("State", word(&view.state, BadgeTone::of(&view.state))),
            ("Source", html! { (said(&view.source)) }),
            ("Handler", html! { (said(&view.handler)) }),
            ("Attempts", html! { (view.attempts) }),
            (
                "Replay of",
                html! { @if let Some(id) = view.replay_of { a href={ "/deliveries/" (id) } { (id) } } },
            ),
            (
                "Group",
                html! { @if let Some(group) = view.group {
                    a href={ "/dead-letters/groups/" (group) } { "Similar dead letters" }
                } },
            ),
            ("Lane", html! { @if let Some(lane) = &view.lane { code { (said(lane)) } } }),
            ("Created", stamp(view.created_at, cx.now)),
            ("Finished", html! { @if let Some(at) = view.finished_at { (stamp(at, cx.now)) } }),
            (
                "Event",
                html! { code { (cx.link(Section::Events, &format!("/events/{}", link_path(&view.event_id)), &view.event_id)) } },
            ),
        ]),
    )
}

fn actions(cx: &PageContext, view: &View) -> Markup {
    let replays = cx.may(Scope::EventsReplay);
    if !replays && view.edit.is_none() {
        return html! {};
    }
    let act = |verb: &str| format!("/deliveries/{}/{verb}", view.id);
    let body = html! {
        @if view.is_open() && !replays {}
        @else if view.is_open() {
            details .act open {
                summary { "Replay" }
                (confirm(cx, "replay", &act("replay"),
                    "Creates a new delivery of the same event and marks this one as resolved.",
                    ("first", "Replay")))
            }
            details .act {
                summary { "Discard" }
                (confirm(cx, "discard", &act("discard"),
                    "Marks it as resolved without delivering it. The lane it blocks is unblocked.",
                    ("risky", "Discard")))
            }
            @if view.waiting > 0 {
                details .act {
                    summary { "Unblock lane" }
                    (confirm(cx, "unblock", &act("unblock"),
                        "The deliveries behind it proceed. This one stays open; a replay joins the end of the lane.",
                        ("risky", "Unblock lane")))
                }
            }
        } @else {
            div .pad { p .muted {
                @if view.state == "done" { "Done. No action needed." }
                @else if view.resolved.is_some() { "Resolved. No action needed." }
                @else { "Still in progress." }
            } }
        }
        @match &view.edit {
            Some(Ok(href)) => div .pad { a .button href=(href) { "Edit and replay" } },
            Some(Err(why)) => div .pad { p .muted { (why) } },
            None => (html! {}),
        }
        @if !view.commands.is_empty() {
            details .act {
                summary { "Command line" }
                div .pad { div .stack {
                    @for (place, (label, text)) in view.commands.iter().enumerate() {
                        (command(&format!("command-{place}"), label, text))
                    }
                } }
            }
        }
    };
    panel("Actions", &html! {}, &body)
}
