//! Views of the transfers.

use serde_json::Value;

use super::super::pages::transfers::{Map, One, Row, View};
use super::super::parts::{Pager, count};
use super::ROWS;
use crate::admin::{AdminError, Caller, TransferView, pretty};
use crate::web::admin::AdminState;

/// The largest part of an envelope that is shown, in bytes.
const SHOWN: usize = 64 * 1024;

/// The list.
pub(in crate::web::console) async fn transfers(
    admin: &AdminState,
    caller: &Caller,
    before: i64,
) -> Result<View, AdminError> {
    let before = Some(before).filter(|before| *before != 0);
    let page = admin.monitoring.transfers(caller, before, ROWS).await?;
    let now = admin.clock.now();
    let row = |view: TransferView| Row {
        id: view.transfer.id,
        name: view.transfer.transfer_id.clone(),
        map: Map { have: map(&view) },
        until: now + view.time_left().unwrap_or_default(),
        source: view.transfer.source,
        bytes: view.transfer.received,
        of_bytes: None,
        began_at: view.transfer.opened_at,
        last_at: view.transfer.last_chunk_at,
    };
    Ok(View {
        pager: Pager {
            shown: count(page.open.len() as u64, "open transfer", "open transfers"),
            first: before.map(|_| "/transfers".to_owned()),
            next: page.next.map(|next| format!("/transfers?before={next}")),
        },
        closed: page
            .closed
            .into_iter()
            .filter(|_| before.is_none())
            .map(|one| (one.id, one.transfer_id, one.source, one.state, one.last_chunk_at))
            .collect(),
        rows: page.open.into_iter().map(row).collect(),
    })
}

/// One of them.
pub(in crate::web::console) async fn transfer(
    admin: &AdminState,
    caller: &Caller,
    text: &str,
) -> Result<One, AdminError> {
    let none = |_| AdminError::NotFound(format!("transfer {text}"));
    let detail = admin.monitoring.transfer(caller, text.parse().map_err(none)?).await?;
    let now = admin.clock.now();
    let map = Map { have: map(&detail.view) };
    let until = detail.view.time_left().zip(detail.view.total_left);
    let envelope = detail.envelope.as_deref().map(String::from_utf8_lossy);
    let json = envelope.as_deref().map(serde_json::from_str::<Value>);
    let json = json.and_then(Result::ok);
    let one = detail.view.transfer;
    Ok(One {
        id: one.id,
        map: (one.state == "open").then_some(map),
        // It became an event, or a dead letter about it.
        event: matches!(&*one.state, "whole" | "quarantined").then(|| one.event.to_string()),
        name: one.transfer_id,
        // The path is a field of the envelope of the chunked provider.
        path: json
            .as_ref()
            .and_then(|json| json.pointer("/file/path")?.as_str().map(str::to_owned)),
        tenant: one.tenant,
        source: one.source,
        kind: one.kind,
        state: one.state,
        chunks: (one.have, one.total),
        bytes: one.received,
        began_at: one.opened_at,
        last_at: one.last_chunk_at,
        until: until.map(|(left, total)| (now + left, now + total)),
        envelope: envelope.map(|text| match pretty(&text, SHOWN) {
            Ok(lines) => lines.text,
            Err(_) => text.into_owned(),
        }),
        others: detail.others.into_iter().map(|one| (one.id, one.state, one.opened_at)).collect(),
    })
}

/// For each chunk, whether it was received. Chunks are deleted once the payload is complete.
pub(in crate::web::console) fn map(view: &TransferView) -> Vec<bool> {
    let is_whole = view.transfer.state == "whole";
    (0..view.transfer.total)
        .map(|index| is_whole || view.there.binary_search(&index).is_ok())
        .collect()
}
