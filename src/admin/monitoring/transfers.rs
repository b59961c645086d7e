//! Payloads in chunks: those that are not whole yet, and what became of the others.

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

use super::Monitoring;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{StoreError, TransferState};

/// The most open transfers of a page.
pub const MOST_TRANSFERS: u32 = 200;
/// How many of those that were closed last are shown.
const CLOSED: i64 = 50;
/// How many others of the same thing are shown.
const OTHERS: i64 = 20;

/// A transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferView {
    /// How it stands.
    pub transfer: TransferState,
    /// The places of the chunks that are there, from 0, in order. Of a closed one they are gone.
    pub there: Vec<u32>,
    /// How long it waits for its next chunk before it is given up; `None` once it is closed.
    pub idle_left: Option<Duration>,
    /// How long it may still take in all; `None` once it is closed.
    pub total_left: Option<Duration>,
}

/// Everything about one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferDetail {
    /// How it stands.
    pub view: TransferView,
    /// What it is of: its JSON without content and chunk number; `None` for who may not see
    /// payloads.
    pub envelope: Option<Bytes>,
    /// Other transfers of the same thing, the newest first, at most twenty. A newer one supersedes
    /// those that are open.
    pub others: Vec<TransferState>,
}

/// Transfers.
#[derive(Debug, Clone)]
pub struct Transfers {
    /// Those that are open, newest first.
    pub open: Vec<TransferView>,
    /// Where to go on among the open ones: give it as `before`. `None` where there is no more.
    pub next: Option<i64>,
    /// Those that were closed last, by when their last chunk came.
    pub closed: Vec<TransferState>,
}

impl TransferView {
    /// When it is given up unless something comes; `None` once it is closed.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.idle_left?.min(self.total_left?))
    }
}

impl Monitoring {
    /// Up to `limit` open transfers with an id below `before`, and those that were closed last.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn transfers(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Transfers, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let limit = i64::from(limit.clamp(1, MOST_TRANSFERS));
        let before = before.unwrap_or(i64::MAX);
        let open = self.store.open_transfers(caller.tenant(), before, limit).await?;
        let full = open.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Transfers {
            next: open.last().filter(|_| full).map(|last| last.id),
            open: self.view(open).await?,
            closed: self.store.closed_transfers(caller.tenant(), CLOSED).await?,
        })
    }

    /// One transfer.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn transfer(&self, caller: &Caller, id: i64) -> Result<TransferDetail, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let transfer = self.store.transfer(Some(id), None).await?;
        let seen = transfer
            .filter(|transfer| caller.tenant().is_none_or(|tenant| transfer.tenant == tenant));
        let view = self.view(Vec::from_iter(seen)).await?.pop();
        let view = view.ok_or_else(|| AdminError::NotFound(format!("transfer {id}")))?;
        let envelope = if caller.may(Scope::PayloadRead) {
            self.store.transfer_envelope(id).await?.map(Bytes::from)
        } else {
            None
        };
        let mut others = self.store.transfers_of_the_same(id, OTHERS).await?;
        others.retain(|other| other.tenant == view.transfer.tenant);
        Ok(TransferDetail { view, envelope, others })
    }

    /// Adds which chunks are there, and how much time is left.
    pub(super) async fn view(
        &self,
        transfers: Vec<TransferState>,
    ) -> Result<Vec<TransferView>, StoreError> {
        let now = self.clock.now();
        let ids: Vec<i64> = transfers.iter().map(|transfer| transfer.id).collect();
        let there = self.store.chunks_there(&ids).await?;
        let left = |since: OffsetDateTime, may: Duration| (since + may - now).max(Duration::ZERO);
        let view = |transfer: TransferState| {
            let open = transfer.state == "open";
            let idle = left(transfer.last_chunk_at, self.topology.transfer_idle);
            let total = left(transfer.opened_at, self.topology.transfer_total);
            let own = there.iter().filter(|(id, _)| *id == transfer.id);
            TransferView {
                there: own.map(|(_, index)| *index).collect(),
                idle_left: open.then_some(idle),
                total_left: open.then_some(total),
                transfer,
            }
        };
        Ok(transfers.into_iter().map(view).collect())
    }
}
