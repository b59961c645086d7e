//! Dead letters: looked at, and resolved one by one. Many at once are a [`Job`](super::Job).

mod apply;
mod decide;
mod detail;
mod selection;

use std::sync::Arc;

pub(super) use apply::ActionRequest;
pub use apply::ActionResult;
pub use decide::{Action, Refused};
pub(super) use detail::redact_payload;
pub use detail::{DeliveryDetail, PREVIEW};
pub use selection::{Filter, Selection};

use super::{AdminError, Caller, Groups, Reason, Routing, Scope};
use crate::clock::SharedClock;
use crate::store::{DeadLetter, DeadLetterFilter, Order, Page, Store, StoreError};

/// The most rows of a page.
const MOST: u32 = 10_000;

/// The dead letters, for those who do something about them.
#[derive(Clone)]
pub struct DeadLetters {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) routing: Routing,
}

/// Which part of a list, which begins with the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Only what is older than this one, nearest first: the next page.
    pub before: Option<i64>,
    /// Only what is newer than this one, nearest first: the page before. Not with `before`.
    pub after: Option<i64>,
    /// The most rows.
    pub limit: u32,
}

/// A part of the list of dead letters, the newest first.
#[derive(Debug, Clone)]
pub struct LetterPage {
    /// The dead letters.
    pub letters: Vec<DeadLetter>,
    /// [`Paging::before`] of the next page; `None` when this is the last.
    pub older: Option<i64>,
    /// [`Paging::after`] of the page before; `None` when this is the first.
    pub newer: Option<i64>,
}

impl Paging {
    /// The newest.
    pub fn first(limit: u32) -> Self {
        Self { before: None, after: None, limit }
    }
}

impl DeadLetters {
    /// The dead letters of `store`, replayed to the handlers that `routing` names.
    pub fn new(store: Store, clock: SharedClock, routing: Routing) -> Self {
        Self { store, clock, routing }
    }

    /// How many match.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn count(&self, caller: &Caller, selection: &Selection) -> Result<u64, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let filter = self.resolve_filter(caller, selection).await?;
        let (count, _) = self.store.count_dead_letters(&filter).await?;
        Ok(count.unsigned_abs())
    }

    /// A page of those that match, the newest first. Error texts only for callers with
    /// `payload:read`.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn list(
        &self,
        caller: &Caller,
        selection: &Selection,
        paging: Paging,
    ) -> Result<LetterPage, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let filter = self.resolve_filter(caller, selection).await?;
        let limit = usize::try_from(paging.limit.clamp(1, MOST)).unwrap_or(1);
        let page = Page {
            after: paging.after.unwrap_or(i64::MIN),
            before: paging.before.unwrap_or(i64::MAX),
            order: if paging.after.is_some() { Order::Up } else { Order::Down },
            limit: i64::try_from(limit + 1).unwrap_or(i64::MAX),
        };
        // One more than is shown tells whether there are more.
        let mut ids = self.store.find_dead_letters(&filter, page).await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let mut letters = self.store.dead_letters(&ids, caller.tenant()).await?;
        letters.reverse();
        if !caller.may(Scope::PayloadRead) {
            letters.iter_mut().for_each(redact_payload);
        }
        let (first, last) = (ids.iter().max().copied(), ids.iter().min().copied());
        let (older, newer) = match page.order {
            Order::Down => (last.filter(|_| more), first.filter(|_| paging.before.is_some())),
            Order::Up => (last, first.filter(|_| more)),
        };
        Ok(LetterPage { letters, older, newer })
    }

    /// Everything about a delivery, dead or not, as far as the caller may see it.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Denied`] without [`Scope::EventsRead`];
    /// [`AdminError::Store`].
    pub async fn show(&self, caller: &Caller, id: i64) -> Result<DeliveryDetail, AdminError> {
        detail::show(&self.store, caller, id, self.clock.now()).await
    }

    /// Replays or discards one delivery. `force` replays also what is done or resolved.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Invalid`] without a reason;
    /// [`AdminError::Denied`] without [`Scope::EventsReplay`]; [`AdminError::Store`]: then
    /// nothing was done, unless it was the commit that failed.
    pub async fn act(
        &self,
        caller: &Caller,
        action: Action,
        id: i64,
        reason: &str,
        force: bool,
    ) -> Result<ActionResult, AdminError> {
        caller.needs(Scope::EventsReplay)?;
        let reason = Reason::new(reason)?.get();
        let orders = ActionRequest {
            action,
            force,
            named: true,
            tenant: caller.tenant(),
            address: caller.address(),
            actor: caller.actor(),
            reason,
            target: &format!("delivery {id}"),
            job: None,
            at: self.clock.now(),
        };
        let mut tx = self.store.begin().await?;
        let batch = self.apply(&mut tx, &[id], &orders).await?;
        if batch.resolved.is_empty() && batch.refused.is_empty() {
            return Err(AdminError::NotFound(format!("delivery {id}")));
        }
        let batch = tx.commit(batch).await?.into_inner();
        self.tell(&batch, action, caller.actor()).await;
        Ok(batch)
    }

    /// What `selection` means now. Where it names groups, what died just now is grouped first:
    /// otherwise it would be left out.
    pub(super) async fn resolve_filter(
        &self,
        caller: &Caller,
        selection: &Selection,
    ) -> Result<DeadLetterFilter, StoreError> {
        if selection.names_groups() {
            Groups::new(self.store.clone(), Arc::clone(&self.clock)).catch_up().await?;
        }
        Ok(selection.at(self.clock.now(), caller.tenant()))
    }
}
