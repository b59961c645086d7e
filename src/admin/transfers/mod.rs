//! Transfers: payloads received in chunks.

mod model;

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

pub use model::{Transfer, TransferDetail, TransferState};

use super::events::embedded;
use super::{AdminError, Caller, Monitoring, Scope};
use crate::store::{StoreError, TransferRow};

/// The maximum number of open transfers per page.
pub const MAX_TRANSFERS: u32 = 200;
/// The number of closed transfers shown.
const CLOSED: i64 = 50;
/// The maximum number of other transfers of the same payload shown.
const OTHERS: i64 = 20;

/// Open and recently closed transfers.
#[derive(Debug, Clone)]
pub struct Transfers {
    /// A page of the open ones, newest first.
    pub open: Vec<Transfer>,
    /// The `before` of the next page of open ones; `None` on the last page.
    pub next: Option<i64>,
    /// The most recently closed ones, by the time of their last chunk.
    pub closed: Vec<Transfer>,
}

impl Monitoring {
    /// Up to `limit` open transfers with an id below `before`, and the most recently closed ones.
    pub async fn transfers(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Transfers, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let limit = i64::from(limit.clamp(1, MAX_TRANSFERS));
        let before = before.unwrap_or(i64::MAX);
        let open = self.store.open_transfers(caller.tenant(), before, limit).await?;
        let full = open.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let closed = self.store.closed_transfers(caller.tenant(), CLOSED).await?;
        Ok(Transfers {
            next: open.last().filter(|_| full).map(|last| last.id),
            open: self.with_chunks(open).await?,
            closed: closed.into_iter().map(Transfer::from).collect(),
        })
    }

    pub async fn transfer(&self, caller: &Caller, id: i64) -> Result<TransferDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let transfer = self.store.transfer(Some(id), None).await?;
        let visible = transfer
            .filter(|transfer| caller.tenant().is_none_or(|tenant| transfer.tenant == tenant));
        let transfer = self.with_chunks(Vec::from_iter(visible)).await?.pop();
        let transfer = transfer.ok_or_else(|| AdminError::NotFound(format!("transfer {id}")))?;
        let envelope = if caller.may(Scope::PayloadRead) {
            self.store.transfer_envelope(id).await?.map(Bytes::from)
        } else {
            None
        };
        let mut others = self.store.transfers_of_same_payload(id, OTHERS).await?;
        others.retain(|other| other.tenant == transfer.tenant);
        Ok(TransferDetail {
            transfer,
            envelope: envelope.as_ref().map(embedded),
            others: others.into_iter().map(Transfer::from).collect(),
        })
    }

    /// Adds the received chunks and the time left.
    pub(in crate::admin) async fn with_chunks(
        &self,
        transfers: Vec<TransferRow>,
    ) -> Result<Vec<Transfer>, StoreError> {
        let now = self.clock.now();
        let ids: Vec<i64> = transfers.iter().map(|transfer| transfer.id).collect();
        let received = self.store.received_chunks(&ids).await?;
        let left =
            |since: OffsetDateTime, limit: Duration| (since + limit - now).max(Duration::ZERO);
        let with_chunks = |row: TransferRow| {
            let idle = left(row.last_chunk_at, self.topology.transfer_idle);
            let total = left(row.opened_at, self.topology.transfer_total);
            let own = received.iter().filter(|(id, _)| *id == row.id);
            let chunks = own.map(|(_, index)| *index).collect();
            let is_open = row.state == TransferState::Open;
            Transfer::new(row, chunks, is_open.then_some((idle, total)))
        };
        Ok(transfers.into_iter().map(with_chunks).collect())
    }
}
