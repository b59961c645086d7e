//! One event: payload, proof, deliveries and timeline.

use maud::{Markup, html};

use super::list::rows;
use super::shared::{ShownPayload, event_timeline, facts, payload, proof};
use crate::admin::actions::Noun;
use crate::admin::{AdminError, Caller, Delivery, EventDetail, PREVIEW, Scope};
use crate::store::EventId;
use crate::web::admin::AdminState;
use crate::web::console::actions::offer;
use crate::web::console::layout::{Head, PageContext, Section};
use crate::web::console::parts::{
    BadgeTone, Bytes, NUMBER, TEXT, Tab, badge, command, empty, name, number, panel, stamp, table,
    visible, when,
};
use crate::web::console::transfers::{chunk_map, has_chunks};

pub(in crate::web::console) struct DetailPage {
    pub(in crate::web::console) detail: EventDetail,
    /// The beginning of its body; `None` without the scope `payload:read`.
    pub(in crate::web::console) body: Option<Bytes>,
    /// Links to actions and neighbours: address and label.
    pub(in crate::web::console) links: Vec<(String, &'static str)>,
    /// Equivalent commands: a label and the command.
    pub(in crate::web::console) commands: Vec<(&'static str, String)>,
}

pub(super) async fn load(
    admin: &AdminState,
    caller: &Caller,
    id: &str,
    tab: Tab,
) -> Result<DetailPage, AdminError> {
    let not_found = || AdminError::NotFound(format!("event {id}"));
    let event = id.parse().map(EventId).map_err(|_| not_found())?;
    let detail = admin.monitoring.event(caller, event).await?;
    let here = format!("/events/{event}");
    let body = match detail.payload {
        Some(_) => {
            let slice = admin.monitoring.body(caller, event, 0, PREVIEW.unsigned_abs()).await?;
            Some(Bytes {
                shown: slice.bytes.to_vec(),
                size: slice.size,
                tab,
                href: here.clone(),
                download: Some(format!("{here}/body")),
            })
        }
        None => None,
    };
    let mut links = Vec::new();
    if body.is_some() && caller.may(Scope::EventsReplay) {
        links.push((format!("{here}/fixture"), "Save as fixture"));
    }
    for (neighbour, label) in [(detail.older, "Older"), (detail.newer, "Newer")] {
        links.extend(neighbour.map(|event| (format!("/events/{event}"), label)));
    }
    let base = &admin.base;
    let commands = vec![
        ("Show", format!("sealpost events show {event}")),
        ("Body", format!("sealpost events body {event}")),
        (
            "HTTP",
            format!(
                "curl {base}/api/v1/events/{event} -H \"Authorization: Bearer $SEALPOST_API_KEY\""
            ),
        ),
    ];
    Ok(DetailPage { detail, body, links, commands })
}

pub(in crate::web::console) fn page(cx: &PageContext, page: &DetailPage) -> Markup {
    let detail = &page.detail;
    let lead = format!("Source {}, id {}", detail.event.source, detail.event.id);
    let head = Head {
        title: &detail.event.event_type,
        lead: &lead,
        section: Some(Section::Events),
        below: true,
        actions: Some(html! {
            @for (href, label) in &page.links { a .button href=(href) { (label) } }
        }),
        ..Head::default()
    };
    let shown = detail.payload.as_ref().zip(page.body.as_ref());
    let shown = shown.map(|(payload, body)| ShownPayload {
        headers: &payload.headers,
        claims: payload.claims.as_ref(),
        envelope: payload.envelope.as_ref(),
        body,
    });
    let (related, id) = (&detail.related, detail.event.id.to_string());
    // The received chunks of an expired transfer are not recorded.
    let transfer = detail.transfer.as_ref().filter(|transfer| has_chunks(transfer));
    cx.page(
        &head,
        &html! {
            div .beside {
                div .stack {
                    (panel("Deliveries", &html! {}, &deliveries(cx, &detail.deliveries)))
                    (event_timeline(&detail.timeline, None, cx.now))
                    (payload(shown.as_ref(), detail.event.erased.as_ref()))
                    @if !related.events.is_empty() {
                        (panel("In the same lane", &html! {
                            @if let Some(lane) = related.lanes.first() { code { (visible(lane)) } }
                        }, &rows(cx, &related.events)))
                    }
                }
                div .stack {
                    @if cx.may(Scope::EventsErase) && detail.event.erased.is_none() {
                        (panel("Actions", &html! {}, &offer(cx, Noun::Event, "erase", &id)))
                    }
                    (facts(cx, detail))
                    (proof(&detail.proof))
                    @if detail.edited.is_some() || !detail.edits.is_empty() {
                        (panel("Edits", &html! {}, &edits(cx, detail)))
                    }
                    @if let Some(transfer) = transfer {
                        (panel("Chunks", &html! {
                            a href={ "/transfers/" (transfer.id) } { "Transfer " (transfer.id) }
                        }, &html! { div .pad { (chunk_map(transfer)) } }))
                    }
                    @if !page.commands.is_empty() {
                        (panel("Command line", &html! {}, &html! { div .pad { div .stack {
                            @for (place, (label, text)) in page.commands.iter().enumerate() {
                                (command(&format!("command-{place}"), label, text))
                            }
                        } } }))
                    }
                }
            }
        },
    )
}

fn edits(cx: &PageContext, detail: &EventDetail) -> Markup {
    let event = |id: EventId| html! { a .mono href={ "/events/" (id) } { (id) } };
    html! { div .pad { div .tight {
        @if let Some(edit) = &detail.edited {
            p {
                "No provider sent this body: " (visible(&edit.by)) " edited it from "
                (event(edit.from)) ", which is unchanged. Destinations receive the header "
                code { "sealpost-edited" } "."
            }
        }
        @for edit in &detail.edits {
            p { "Edited by " (visible(&edit.by)) ", " (stamp(edit.at, cx.now)) ": " (event(edit.event)) }
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
    let state_badge = |text: &str| badge(text, BadgeTone::of(text));
    let row = |delivery: &Delivery| {
        vec![
            html! { a href={ "/deliveries/" (delivery.id) } { (delivery.id) } },
            name(&delivery.handler),
            html! {
                (state_badge(delivery.state.as_str()))
                @if let Some(resolution) = delivery.resolution { " " (state_badge(resolution.as_str())) }
            },
            html! { (number(delivery.attempts)) },
            when(delivery.created_at, cx.now),
        ]
    };
    let rows: Vec<Vec<Markup>> = deliveries.iter().map(row).collect();
    table("Deliveries", &columns, &rows)
}
