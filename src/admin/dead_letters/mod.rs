//! Dead letters: read, and resolved one by one. Bulk actions are a [`Job`](super::Job).

mod apply;
mod decide;
mod detail;
mod model;
mod selection;

use std::sync::Arc;

pub(super) use apply::BatchRequest;
pub use apply::BatchResult;
pub use decide::{DeadLetterAction, Refused};
pub use detail::PREVIEW;
pub(super) use detail::redact_payload;
pub use model::{
    Attempt, AttemptResult, Delivery, DeliveryDetail, DeliveryState, Edit, Encoding, Erasure,
    Event, Payload, Preview, Proof, Resolution, ResolvedBy, Seen, Trigger,
};
pub use selection::{Filter, Selection};

use super::{AdminError, Caller, Groups, Reason, Routing, Scope};
use crate::clock::SharedClock;
use crate::store::{DeadLetterFilter, Order, Page, Store, StoreError};

/// The maximum number of rows of a page.
const MAX_ROWS: u32 = 10_000;

#[derive(Clone)]
pub struct DeadLetters {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) routing: Routing,
}

/// A part of a list that is sorted by id, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Only ids below this one, for the next page.
    pub before: Option<i64>,
    /// Only ids above this one, for the previous page. Mutually exclusive with `before`.
    pub after: Option<i64>,
    pub limit: u32,
}

/// A page of the list of dead letters, newest first.
#[derive(Debug, Clone)]
pub struct DeadLetterPage {
    pub items: Vec<Delivery>,
    /// [`Paging::before`] of the next page; `None` on the last page.
    pub older: Option<i64>,
    /// [`Paging::after`] of the previous page; `None` on the first page.
    pub newer: Option<i64>,
}

impl Paging {
    pub fn first(limit: u32) -> Self {
        Self { before: None, after: None, limit }
    }
}

impl DeadLetters {
    /// Replays go to the handlers in `routing`.
    pub fn new(store: Store, clock: SharedClock, routing: Routing) -> Self {
        Self { store, clock, routing }
    }

    pub async fn count(&self, caller: &Caller, selection: &Selection) -> Result<u64, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let filter = self.resolve_filter(caller, selection).await?;
        let (count, _) = self.store.count_dead_letters(&filter).await?;
        Ok(count.unsigned_abs())
    }

    /// A page of matching dead letters, newest first. Error texts and lanes require `payload:read`.
    pub async fn list(
        &self,
        caller: &Caller,
        selection: &Selection,
        paging: Paging,
    ) -> Result<DeadLetterPage, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let filter = self.resolve_filter(caller, selection).await?;
        let limit = usize::try_from(paging.limit.clamp(1, MAX_ROWS)).unwrap_or(1);
        let page = Page {
            after: paging.after.unwrap_or(i64::MIN),
            before: paging.before.unwrap_or(i64::MAX),
            order: if paging.after.is_some() { Order::Up } else { Order::Down },
            limit: i64::try_from(limit + 1).unwrap_or(i64::MAX),
        };
        // The extra row shows whether there is a next page.
        let mut ids = self.store.find_dead_letters(&filter, page).await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let mut items = self.store.deliveries(&ids, caller.tenant()).await?;
        items.reverse();
        if !caller.may(Scope::PayloadRead) {
            items.iter_mut().for_each(redact_payload);
        }
        let (first, last) = (ids.iter().max().copied(), ids.iter().min().copied());
        let (older, newer) = match page.order {
            Order::Down => (last.filter(|_| more), first.filter(|_| paging.before.is_some())),
            Order::Up => (last, first.filter(|_| more)),
        };
        Ok(DeadLetterPage { items, older, newer })
    }

    /// A delivery in any state with its event and attempts, redacted for the caller.
    pub async fn show(&self, caller: &Caller, id: i64) -> Result<DeliveryDetail, AdminError> {
        detail::show(&self.store, caller, id, self.clock.now()).await
    }

    /// Replays or discards one delivery. `force` also replays one that is done or resolved.
    ///
    /// # Errors
    /// [`AdminError::Store`]: nothing was done, unless the commit failed.
    pub async fn resolve_one(
        &self,
        caller: &Caller,
        action: DeadLetterAction,
        id: i64,
        reason: &Reason,
        force: bool,
    ) -> Result<BatchResult, AdminError> {
        caller.needs(Scope::EventsReplay)?;
        let request = BatchRequest {
            action,
            force,
            by_id: true,
            tenant: caller.tenant(),
            address: caller.address(),
            actor: caller.actor(),
            reason,
            target: &format!("delivery {id}"),
            job: None,
            at: self.clock.now(),
        };
        let mut tx = self.store.begin().await?;
        let batch = self.apply(&mut tx, &[id], &request).await?;
        if batch.resolved.is_empty() && batch.refused.is_empty() {
            return Err(AdminError::NotFound(format!("delivery {id}")));
        }
        let batch = tx.commit(batch).await?.into_inner();
        self.announce(&batch, action, caller.actor()).await;
        Ok(batch)
    }

    /// The filter of a selection. Filtering by group would miss dead letters that are not grouped
    /// yet, so those are grouped first.
    pub(super) async fn resolve_filter(
        &self,
        caller: &Caller,
        selection: &Selection,
    ) -> Result<DeadLetterFilter, StoreError> {
        if selection.selects_by_group() {
            Groups::new(self.store.clone(), Arc::clone(&self.clock)).catch_up().await?;
        }
        Ok(selection.filter_at(self.clock.now(), caller.tenant()))
    }
}
