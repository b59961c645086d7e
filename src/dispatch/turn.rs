//! One turn: look at the queues, claim from each by itself, start what was claimed.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use futures_util::StreamExt;
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::warn;

use super::queues::{Look, is_to_destination};
use super::{CLAIM_WITHIN, Dispatcher, in_time};
use crate::store::{Claimed, Lease, Paused, Queue, QueuePlace, StoreError};

/// How many claims are made at a time: as many as there are connections for them.
const CLAIMS: usize = 2;
/// How many deliveries of a queue are looked at in order to claim some of them, at most.
const WIDE: i64 = 2000;
/// How many times followers of a queue are put aside before others have their turn again.
const ASIDE: usize = 5;

/// What a turn has come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turn {
    pub(super) started: usize,
    /// There is more to look at at once, although nothing may have been started.
    pub(super) more: bool,
}

impl Turn {
    fn and(self, other: Self) -> Self {
        Self { started: self.started + other.started, more: self.more || other.more }
    }
}

impl Dispatcher {
    /// Looks at every queue, and starts what there is room for; with `whole`, from the beginning.
    pub(super) async fn turn(&self, whole: bool) -> Result<Turn, StoreError> {
        let wanted = self.look(whole).await?;
        if wanted.is_empty() {
            return Ok(Turn::default());
        }
        let paused = self.ask_paused().await;
        let wanted = wanted.into_iter().filter(|(queue, _)| !paused.is_paused(queue)).collect();
        let wanted = self.queues.in_turn(wanted);
        let (to, own): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|(queue, _)| is_to_destination(queue));
        let (claims, sends) = tokio::join!(self.start_handlers(own), self.start_sending(to));
        Ok(claims.and(sends))
    }

    /// The queues in which something is due, and since when.
    async fn look(&self, whole: bool) -> Result<Vec<(Queue, OffsetDateTime)>, StoreError> {
        let now = self.clock.now();
        let looks = self.queues.looks(whole);
        let looking = looks.into_iter().map(async |look: Look| {
            let began = Instant::now();
            let queues: Vec<_> = look.0.iter().map(|(queue, from)| (queue, *from)).collect();
            match in_time(CLAIM_WITHIN, self.store.look(&queues, now)).await {
                Ok(oldest) => {
                    self.queues.looked(&look, &oldest, now, began.elapsed());
                    let due = look.0.into_iter().zip(oldest);
                    Ok(due.filter_map(|((queue, _), oldest)| Some((queue, oldest?))).collect())
                }
                Err(error) => {
                    self.queues.look_failed(&look, now);
                    for (queue, _) in &look.0 {
                        count_failed_claim(queue);
                    }
                    Err(error)
                }
            }
        });
        let looked: Vec<Result<Vec<_>, StoreError>> =
            futures_util::stream::iter(looking).buffer_unordered(CLAIMS).collect().await;
        let mut wanted = Vec::new();
        let mut failed = None;
        for result in looked {
            match result {
                Ok(due) => wanted.extend(due),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            // Where some can be looked at, that is what is worked on.
            Some(error) if wanted.is_empty() => Err(error),
            Some(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot read some queues");
                Ok(wanted)
            }
            None => Ok(wanted),
        }
    }

    /// What is paused; where that cannot be asked, what was paused before.
    async fn ask_paused(&self) -> Paused {
        let known = || self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        match in_time(CLAIM_WITHIN, self.store.paused()).await {
            Ok(paused) => known().clone_from(&paused),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot read pauses");
            }
        }
        known().clone()
    }

    async fn start_handlers(&self, wanted: Vec<(Queue, OffsetDateTime)>) -> Turn {
        let queues: Vec<&Queue> = wanted.iter().map(|(queue, _)| queue).collect();
        // No more is claimed than there is room for: a lease that waits for room runs out.
        let offered = self.places.offer(&queues);
        let claims = wanted.into_iter().zip(offered).filter(|(_, room)| *room > 0);
        let claims = claims.map(async |((queue, oldest), room)| {
            let claimed = in_time(CLAIM_WITHIN, self.claim(&queue, oldest, room)).await;
            let Some((leases, more)) = self.noted(&queue, claimed) else { return Turn::default() };
            let started = leases.len();
            for lease in leases {
                let place = self.places.take(queue.clone());
                self.start(lease, place);
            }
            Turn { started, more }
        });
        let turns = futures_util::stream::iter(claims).buffer_unordered(CLAIMS);
        turns.fold(Turn::default(), async |all, turn| all.and(turn)).await
    }

    /// Claims from a queue of a handler. Where followers fill it they are put aside; gives also
    /// whether it is to be looked at again at once.
    async fn claim(
        &self,
        queue: &Queue,
        oldest: OffsetDateTime,
        room: usize,
    ) -> Result<(Vec<Lease>, bool), StoreError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let narrow = room.saturating_mul(4).saturating_add(64).min(WIDE);
        let claimed = self.store.claim(queue, oldest, now, (room, narrow), lease).await?;
        if !is_short(&claimed, room) {
            return Ok((claimed.leases, false));
        }
        if self.park_followers(queue, oldest, now).await? {
            return Ok((claimed.leases, true));
        }
        if claimed.leases.is_empty() {
            let wide = self.store.claim(queue, oldest, now, (room, WIDE), lease).await?;
            return Ok((wide.leases, false));
        }
        Ok((claimed.leases, false))
    }

    /// Destinations have room of their own: one that is slow takes none from the handlers, and
    /// none from another.
    async fn start_sending(&self, wanted: Vec<(Queue, OffsetDateTime)>) -> Turn {
        if wanted.is_empty() {
            return Turn::default();
        }
        let now = self.clock.now();
        let shut = match in_time(CLAIM_WITHIN, self.store.blocked_destinations(now)).await {
            Ok(gates) => gates,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot read blocked destinations");
                return Turn::default();
            }
        };
        let mut by_destination: BTreeMap<String, Vec<(Queue, OffsetDateTime)>> = BTreeMap::new();
        for (queue, oldest) in wanted {
            if !shut.iter().any(|gate| gate.shut && gate.handler == queue.handler) {
                by_destination.entry(queue.handler.clone()).or_default().push((queue, oldest));
            }
        }
        let claims = by_destination.into_iter().filter_map(|(handler, queues)| {
            // What is for a destination that this gateway does not know is another's.
            Some((self.destinations.get(&handler).copied()?, handler, queues))
        });
        let claims = claims.map(async |(room, handler, queues)| {
            let claimed = in_time(CLAIM_WITHIN, self.claim_to(&handler, room, &queues)).await;
            let Some((first, _)) = queues.first() else { return Turn::default() };
            let Some((leases, more)) = self.noted(first, claimed) else { return Turn::default() };
            let started = leases.len();
            for lease in leases {
                self.start(lease, ());
            }
            Turn { started, more }
        });
        let turns = futures_util::stream::iter(claims).buffer_unordered(CLAIMS);
        turns.fold(Turn::default(), async |all, turn| all.and(turn)).await
    }

    async fn claim_to(
        &self,
        destination: &str,
        room: i32,
        queues: &[(Queue, OffsetDateTime)],
    ) -> Result<(Vec<Lease>, bool), StoreError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let sources: Vec<(&str, OffsetDateTime)> =
            queues.iter().map(|(queue, oldest)| (queue.source.as_str(), *oldest)).collect();
        let claimed = self.store.claim_to(destination, room, &sources, now, lease).await?;
        let mut parked = false;
        if claimed.truncated {
            for (queue, oldest) in queues {
                parked |= self.park_followers(queue, *oldest, now).await?;
            }
        }
        Ok((claimed.leases, parked))
    }

    /// Parks what fills a queue without being a head; gives whether there was any. It goes on
    /// from where it was: beginning at the oldest again, the index still has an entry for each that
    /// was put aside.
    async fn park_followers(
        &self,
        queue: &Queue,
        oldest: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (mut any, mut place) = (false, QueuePlace::before(oldest));
        for _ in 0..ASIDE {
            let (count, next) = self.store.park_followers(queue, place, now).await?;
            any |= count > 0;
            match next {
                Some(next) if count > 0 => place = next,
                _ => break,
            }
        }
        Ok(any)
    }

    /// Notes how a claim went: trouble at one queue is that queue's alone.
    fn noted<T>(&self, queue: &Queue, claimed: Result<T, StoreError>) -> Option<T> {
        let now = self.clock.now();
        self.queues.claimed(queue, claimed.is_ok(), now);
        match claimed {
            Ok(claimed) => {
                self.queues.had_turn(queue);
                Some(claimed)
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                let (source, handler) = (&queue.source, &queue.handler);
                warn!(
                    error,
                    source.name = source,
                    handler.name = handler,
                    "cannot claim deliveries"
                );
                count_failed_claim(queue);
                None
            }
        }
    }
}

/// Whether less was claimed than there is room for, although there may be more.
fn is_short(claimed: &Claimed, room: i64) -> bool {
    claimed.truncated && i64::try_from(claimed.leases.len()).unwrap_or(i64::MAX) < room
}

fn count_failed_claim(queue: &Queue) {
    metrics::counter!("sealpost_claim_failures_total",
        "source" => queue.source.clone(), "handler" => queue.handler.clone())
    .increment(1);
}
