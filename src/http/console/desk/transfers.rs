//! Transfers: payloads in chunks.

use super::super::Console;
use super::super::pages::transfers::{Map, Row, View};
use super::super::parts::{Pager, count};
use super::ROWS;
use crate::operator::{Caller, OperatorError, TransferView};

/// The list.
pub(in crate::http::console) async fn transfers(
    console: &Console,
    caller: &Caller,
    before: i64,
) -> Result<View, OperatorError> {
    let before = Some(before).filter(|before| *before != 0);
    let page = console.insight.transfers(caller, before, ROWS).await?;
    let now = console.clock.now();
    let row = |view: TransferView| Row {
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
        rows: page.open.into_iter().map(row).collect(),
    })
}

/// For each chunk whether it is there. Once the payload is whole the chunks themselves are gone.
pub(in crate::http::console) fn map(view: &TransferView) -> Vec<bool> {
    let is_whole = view.transfer.state == "whole";
    (0..view.transfer.total)
        .map(|index| is_whole || view.there.binary_search(&index).is_ok())
        .collect()
}
