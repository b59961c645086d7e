//! The page of one delivery in any state: its history and the available actions.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use time::OffsetDateTime;

use super::actions::offer;
use super::events::{ShownPayload, event_timeline, facts, payload, proof};
use super::layout::{Head, PageContext, Section, note};
use super::parts::{
    BadgeTone, BodyQuery, Tab, badge, command, count, panel, stamp, terms, visible,
};
use crate::admin::actions::Noun;
use crate::admin::{
    AdminError, Delivery, DeliveryDetail, DeliveryState, Encoding, Event, MAX_EDITED, Scope,
};
use crate::store::DeathReason;
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/deliveries/{id}", web::get().to(show));
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let detail = async {
        let caller = &cx.viewer.caller;
        caller.needs(Scope::EventsRead)?;
        let number: i64 = id.parse().map_err(|_| AdminError::NotFound(format!("delivery {id}")))?;
        admin.dead_letters.show(caller, number).await
    };
    let detail = detail.await;
    cx.answer(detail.map(|detail| page(&cx, &detail, query.tab())))
}

pub(super) fn page(cx: &PageContext, detail: &DeliveryDetail, tab: Tab) -> Markup {
    let delivery = &detail.delivery;
    let title = format!("Delivery {}", delivery.id);
    let lead = format!("Source {}, handler {}", delivery.source, delivery.handler);
    let head = Head {
        title: &title,
        lead: &lead,
        section: Some(Section::DeadLetters),
        below: true,
        ..Head::default()
    };
    cx.page(&head, &html! {
        (verdict(cx, detail))
        div .beside {
            div .stack {
                (event_timeline(&detail.timeline, Some(delivery.id), cx.now))
                @match &detail.event {
                    Some(event) => (body(delivery.id, event, tab)),
                    None => (panel("Body", &html! {}, &html! {
                        div .empty { p { "The event was deleted at the end of its retention." } }
                    })),
                }
            }
            div .stack {
                (actions(cx, detail))
                (terms_of(cx, delivery))
                @if let Some(event) = &detail.event {
                    (facts(cx, event))
                    (proof(&event.proof))
                }
            }
        }
    })
}

fn body(delivery: i64, event: &Event, tab: Tab) -> Markup {
    let erased = event.erased.as_ref();
    let Some(received) = &event.payload else { return payload(None, erased) };
    let body = received.shown_body(tab, format!("/deliveries/{delivery}"));
    let shown = ShownPayload {
        headers: &received.headers,
        claims: received.claims.as_ref(),
        envelope: received.envelope.as_ref(),
        body: &body,
    };
    payload(Some(&shown), erased)
}

fn verdict(cx: &PageContext, detail: &DeliveryDetail) -> Markup {
    let hidden = !cx.may(Scope::PayloadRead);
    let delivery = &detail.delivery;
    let reason = delivery.death_reason.map_or("no reason recorded", DeathReason::as_str);
    html! {
        div .notes {
            @if delivery.state == DeliveryState::Dead {
                (note("dead", BadgeTone::Bad, &html! {
                    strong { (reason) }
                    @if let Some(error) = &delivery.error { ": " span .said { (visible(error)) } }
                    @if hidden { ". Error texts require the scope " code { "payload:read" } "." }
                }))
            }
            @if let Some((how, at)) = delivery.resolution.zip(delivery.resolved_at) {
                (note(how.as_str(), BadgeTone::of(how.as_str()), &resolution(cx, detail, at)))
            }
            @if delivery.waiting > 0 {
                (note("lane blocked", BadgeTone::Warn, &html! {
                    (count(delivery.waiting.unsigned_abs(), "delivery waits", "deliveries wait"))
                    " in its lane until it is replayed or discarded, or the lane is unblocked."
                }))
            }
        }
    }
}

/// Who resolved it, when and why, and the result.
fn resolution(cx: &PageContext, detail: &DeliveryDetail, at: OffsetDateTime) -> Markup {
    let Some(by) = &detail.resolved_by else {
        return html! { "Resolved by an operator, " (stamp(at, cx.now)) "." };
    };
    html! {
        strong { (visible(&by.actor)) } " resolved it, " (stamp(at, cx.now))
        @if !by.reason.is_empty() { ": " span .said { (visible(&by.reason)) } }
        "."
        @for id in &by.created { " " a href={ "/deliveries/" (id) } { "Delivery " (id) } }
        @if let Some(event) = by.edited {
            " of " a href={ "/events/" (event) } { "the edited event" }
        }
    }
}

fn terms_of(cx: &PageContext, delivery: &Delivery) -> Markup {
    let state = delivery.state.as_str();
    let event = delivery.event.to_string();
    panel(
        "Delivery",
        &html! {},
        &terms(&[
            ("State", badge(state, BadgeTone::of(state))),
            ("Source", html! { (visible(&delivery.source)) }),
            ("Handler", html! { (visible(&delivery.handler)) }),
            ("Attempts", html! { (delivery.attempts) }),
            ("Created by", html! { (delivery.triggered_by.as_str()) }),
            (
                "Replay of",
                html! { @if let Some(id) = delivery.replay_of { a href={ "/deliveries/" (id) } { (id) } } },
            ),
            (
                "Group",
                html! { @if let Some(group) = delivery.group {
                    a href={ "/dead-letters/groups/" (group) } { "Similar dead letters" }
                } },
            ),
            ("Lane", html! { @if let Some(lane) = &delivery.lane { code { (visible(lane)) } } }),
            ("Created", stamp(delivery.created_at, cx.now)),
            ("Next attempt", html! { @if let Some(at) = delivery.due_at { (stamp(at, cx.now)) } }),
            ("Finished", html! { @if let Some(at) = delivery.finished_at { (stamp(at, cx.now)) } }),
            (
                "Event",
                html! { code { (cx.link(Section::Events, &format!("/events/{event}"), &event)) } },
            ),
        ]),
    )
}

fn actions(cx: &PageContext, detail: &DeliveryDetail) -> Markup {
    let replays = cx.may(Scope::EventsReplay);
    let edit = edit(cx, detail);
    if !replays && edit.is_none() {
        return html! {};
    }
    let delivery = &detail.delivery;
    let id = delivery.id.to_string();
    let body = html! {
        @if !replays {}
        @else if delivery.is_open() {
            (offer(cx, Noun::DeadLetter, "replay", &id))
            (offer(cx, Noun::DeadLetter, "discard", &id))
            @if delivery.waiting > 0 { (offer(cx, Noun::DeadLetter, "unblock", &id)) }
        } @else if delivery.due_at.is_some_and(|at| at > cx.now) {
            (offer(cx, Noun::Delivery, "retry", &id))
        } @else {
            div .pad { p .muted {
                @if delivery.state == DeliveryState::Done { "Done. No action needed." }
                @else if delivery.resolution.is_some() { "Resolved. No action needed." }
                @else { "In progress." }
            } }
        }
        @match &edit {
            Some(Ok(())) => div .pad { a .button href={ "/deliveries/" (id) "/edit" } { "Edit and replay" } },
            Some(Err(why)) => div .pad { p .muted { (why) } },
            None => (html! {}),
        }
        details .act {
            summary { "Command line" }
            div .pad { div .stack {
                @for (place, (label, text)) in commands(delivery).iter().enumerate() {
                    (command(&format!("command-{place}"), label, text))
                }
            } }
        }
    };
    panel("Actions", &html! {}, &body)
}

/// Whether its event can be edited, or why not; `None` without the scopes.
fn edit(cx: &PageContext, detail: &DeliveryDetail) -> Option<Result<(), &'static str>> {
    let may = cx.may(Scope::PayloadRead) && cx.may(Scope::EventsEdit);
    let event = detail.event.as_ref().filter(|_| may && detail.delivery.is_open())?;
    let body = &event.payload.as_ref()?.body;
    Some(if body.encoding == Encoding::Hex {
        Err("The body is not text and cannot be edited.")
    } else if body.size_bytes > MAX_EDITED as u64 {
        Err("The body is larger than 4 MiB, the limit for editing.")
    } else {
        Ok(())
    })
}

fn commands(delivery: &Delivery) -> Vec<(&'static str, String)> {
    let id = delivery.id;
    let mut commands = vec![("Show", format!("sealpost dead-letters show {id}"))];
    if delivery.is_open() {
        let act = |verb: &str| format!("sealpost dead-letters {verb} {id} --reason 'why'");
        commands.push(("Replay", act("replay")));
        commands.push(("Discard", act("discard")));
    }
    if delivery.due_at.is_some() {
        commands.push(("Retry now", format!("sealpost deliveries retry {id} --reason 'why'")));
    }
    commands
}
