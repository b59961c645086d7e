//! Transfers: payloads received in chunks.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::layout::{Head, PageContext, Section};
use super::parts::{
    BadgeTone, NUMBER, Pager, TEXT, WIDE, age, badge, count, empty, link_path, name, number, pager,
    panel, size, stamp, table, terms, visible, when,
};
use crate::admin::{
    AdminError, Caller, Transfer, TransferDetail, TransferState, Transfers, pretty,
};
use crate::web::admin::AdminState;

const ROWS: u32 = 50;
/// The largest part of an envelope that is shown, in bytes.
const SHOWN: usize = 64 * 1024;
/// Squares in a row of a chunk map.
const ACROSS: usize = 40;
/// The maximum number of squares; above it each square stands for several chunks.
const SQUARES: usize = 400;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/transfers", web::get().to(list)).route("/transfers/{id}", web::get().to(show));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TransferQuery {
    /// The transfer before which the page begins.
    before: String,
}

pub(super) struct ListPage {
    /// The transfers; the closed ones only on the first page.
    pub(super) transfers: Transfers,
    pub(super) pager: Pager,
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<TransferQuery>,
) -> HttpResponse {
    let before = query.before.parse::<i64>().ok().filter(|before| *before != 0);
    cx.show(load(&admin, &cx.viewer.caller, before), page).await
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
) -> HttpResponse {
    let transfer = async {
        let number: i64 = id.parse().map_err(|_| AdminError::NotFound(format!("transfer {id}")))?;
        admin.monitoring.transfer(&cx.viewer.caller, number).await
    };
    cx.show(transfer, one).await
}

async fn load(
    admin: &AdminState,
    caller: &Caller,
    before: Option<i64>,
) -> Result<ListPage, AdminError> {
    let mut transfers = admin.monitoring.transfers(caller, before, ROWS).await?;
    if before.is_some() {
        transfers.closed.clear();
    }
    let pager = Pager {
        shown: count(transfers.open.len() as u64, "open transfer", "open transfers"),
        first: before.map(|_| "/transfers".to_owned()),
        next: transfers.next.map(|next| format!("/transfers?before={next}")),
    };
    Ok(ListPage { transfers, pager })
}

pub(super) fn page(cx: &PageContext, page: &ListPage) -> Markup {
    let head = Head {
        title: "Transfers",
        lead: "Incomplete payloads received in chunks. An expired transfer becomes a dead letter.",
        section: Some(Section::Transfers),
        refresh: Some(10),
        ..Head::default()
    };
    let Transfers { open: open_transfers, closed: closed_transfers, .. } = &page.transfers;
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Transfers" #list data-live="5" {
                @if open_transfers.is_empty() {
                    (empty("No transfers", "No open transfers."))
                } @else {
                    (open(cx, open_transfers))
                    (pager(&page.pager))
                }
            }
            @if !closed_transfers.is_empty() {
                (panel("Closed", &html! { "Most recent first" }, &closed(cx, closed_transfers)))
            }
        },
    )
}

fn open(cx: &PageContext, transfers: &[Transfer]) -> Markup {
    let columns = [
        ("Payload", WIDE),
        ("Source", TEXT),
        ("Chunks", WIDE),
        ("Size", NUMBER),
        ("Started", NUMBER),
        ("Last chunk", NUMBER),
        ("Time left", NUMBER),
    ];
    let row = |transfer: &Transfer| {
        vec![
            link(transfer),
            name(&transfer.source),
            chunk_map(transfer),
            html! { (size(transfer.received_bytes)) },
            when(transfer.opened_at, cx.now),
            when(transfer.last_chunk_at, cx.now),
            html! { @if let Some(left) = transfer.time_left() { (age(left)) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = transfers.iter().map(row).collect();
    table("Transfers", &columns, &rows)
}

fn closed(cx: &PageContext, transfers: &[Transfer]) -> Markup {
    let columns = [("Payload", WIDE), ("Source", TEXT), ("State", TEXT), ("Last chunk", NUMBER)];
    let row = |transfer: &Transfer| {
        vec![
            link(transfer),
            html! { span .said { (visible(&transfer.source)) } },
            state(transfer),
            when(transfer.last_chunk_at, cx.now),
        ]
    };
    let rows: Vec<Vec<Markup>> = transfers.iter().map(row).collect();
    table("Closed", &columns, &rows)
}

fn link(transfer: &Transfer) -> Markup {
    html! { a .said href={ "/transfers/" (transfer.id) } { (visible(&transfer.transfer_id)) } }
}

fn state(transfer: &Transfer) -> Markup {
    let state = transfer.state.as_str();
    badge(state, BadgeTone::of(state))
}

pub(super) fn one(cx: &PageContext, detail: &TransferDetail) -> Markup {
    let transfer = &detail.transfer;
    let title = format!("Transfer {}", transfer.id);
    let is_open = transfer.state == TransferState::Open;
    let head = Head {
        title: &title,
        lead: path(detail).unwrap_or(&transfer.transfer_id),
        section: Some(Section::Transfers),
        below: true,
        refresh: is_open.then_some(10),
        ..Head::default()
    };
    cx.page(&head, &html! {
        div #now .beside data-live=[is_open.then_some("5")] {
            div .stack {
                (panel("Chunks", &html! {}, &html! { div .pad {
                    @if is_open {
                        (chunk_map(transfer))
                    } @else {
                        p {
                            (number(transfer.have)) " of " (number(transfer.total)) " received. "
                            span .muted { "The transfer is closed; its chunks are no longer stored separately." }
                        }
                    }
                } }))
                @if let Some(envelope) = &detail.envelope {
                    (panel("Envelope", &html! { "As sent" }, &html! {
                        pre .bytes tabindex="0" role="region" aria-label="Envelope" {
                            (visible(&envelope_text(envelope)))
                        }
                    }))
                }
                @if !detail.others.is_empty() {
                    (panel("Same payload", &html! { "A newer transfer supersedes open ones" },
                        &others(cx, &detail.others)))
                }
            }
            (panel("Transfer", &html! {}, &facts(cx, detail)))
        }
    })
}

/// The path of the file, if its envelope has one and the caller may see it.
fn path(detail: &TransferDetail) -> Option<&str> {
    detail.envelope.as_ref()?.pointer("/file/path")?.as_str()
}

fn envelope_text(envelope: &Value) -> String {
    match envelope {
        // Not JSON.
        Value::String(text) => text.clone(),
        json => {
            let text = json.to_string();
            pretty(&text, SHOWN).map_or(text, |lines| lines.text)
        }
    }
}

fn facts(cx: &PageContext, detail: &TransferDetail) -> Markup {
    let transfer = &detail.transfer;
    let (left, total_left) = (transfer.time_left(), transfer.total_time_left());
    let source = format!("/sources/{}", link_path(&transfer.source));
    // Otherwise it became no event.
    let has_event = matches!(transfer.state, TransferState::Whole | TransferState::Quarantined);
    terms(&[
        ("State", state(transfer)),
        ("Path", html! { @if let Some(path) = path(detail) { code { (visible(path)) } } }),
        ("Source", cx.link(Section::Sources, &source, &transfer.source)),
        ("Tenant", html! { (visible(&transfer.tenant)) }),
        ("Type", html! { (visible(&transfer.event_type)) }),
        ("Sender's id", html! { code { (visible(&transfer.transfer_id)) } }),
        ("Chunks", html! { (number(transfer.have)) " of " (number(transfer.total)) }),
        ("Size", html! { (size(transfer.received_bytes)) " " span .muted { "as encoded" } }),
        ("Started", stamp(transfer.opened_at, cx.now)),
        ("Last chunk", stamp(transfer.last_chunk_at, cx.now)),
        ("Time left", html! { @if let Some(left) = left { (age(left)) } }),
        ("Expires", html! { @if let Some(left) = left { (stamp(cx.now + left, cx.now)) } }),
        (
            "Expires at the latest",
            html! { @if let Some(left) = total_left { (stamp(cx.now + left, cx.now)) } },
        ),
        (
            "Event",
            html! { @if has_event {
                a .mono href={ "/events/" (transfer.event) } { (transfer.event) }
            } },
        ),
    ])
}

fn others(cx: &PageContext, others: &[Transfer]) -> Markup {
    let row = |other: &Transfer| {
        vec![
            html! { a href={ "/transfers/" (other.id) } { (other.id) } },
            state(other),
            when(other.opened_at, cx.now),
        ]
    };
    let rows: Vec<Vec<Markup>> = others.iter().map(row).collect();
    table("Same payload", &[("Transfer", TEXT), ("State", TEXT), ("Started", NUMBER)], &rows)
}

/// For each chunk, whether it was received. Chunks are deleted once the payload is complete.
fn received(transfer: &Transfer) -> Vec<bool> {
    let is_whole = transfer.state == TransferState::Whole;
    (0..transfer.total)
        .map(|index| is_whole || transfer.received_chunks.binary_search(&index).is_ok())
        .collect()
}

/// Whether the map of the chunks shows any as received.
pub(super) fn has_chunks(transfer: &Transfer) -> bool {
    received(transfer).contains(&true)
}

/// The chunk map: one square per chunk, or per several chunks.
pub(super) fn chunk_map(transfer: &Transfer) -> Markup {
    let have = received(transfer);
    let total = have.len();
    let here = have.iter().filter(|have| **have).count();
    let each = total.div_ceil(SQUARES).max(1);
    let class = |chunks: &[bool]| match chunks.iter().filter(|have| **have).count() {
        0 => "lack",
        here if here == chunks.len() => "have",
        _ => "some",
    };
    let squares: Vec<&str> = have.chunks(each).map(class).collect();
    let across = squares.len().clamp(1, ACROSS);
    let down = squares.len().div_ceil(ACROSS).max(1);
    let says = format!("{} of {} chunks received", number(here as u64), number(total as u64));
    html! {
        svg .map width=(across * 8) height=(down * 8) viewBox={ "0 0 " (across * 8) " " (down * 8) }
            role="img" aria-label=(says) {
            @for (place, class) in squares.iter().enumerate() {
                rect class=(class) width="6" height="6" rx="1"
                     x=(place % ACROSS * 8 + 1) y=(place / ACROSS * 8 + 1) {}
            }
        }
        span .under { (says) @if each > 1 { ", one square per " (each) } }
    }
}
