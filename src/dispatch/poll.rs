//! One poll: scan the queues, claim from each separately, start what was claimed.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use futures_util::StreamExt;
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::warn;

use super::queues::Scan;
use super::{CLAIM_TIMEOUT, Dispatcher, in_time};
use crate::store::{Claimed, Lease, Paused, Queue, QueueCursor, StoreError};

/// The number of concurrent claims: one per connection of their pool.
const CONCURRENT_CLAIMS: usize = 2;
/// The maximum number of deliveries of a queue that one claim scans.
const MAX_SCANNED: i64 = 2000;
/// The maximum number of parking steps per queue before other queues are served.
const MAX_PARK_STEPS: usize = 5;

/// The result of a poll.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Polled {
    pub(super) started: usize,
    /// Whether to poll again at once.
    pub(super) more: bool,
    /// Whether a queue had a delivery for every free slot, and probably has more.
    pub(super) backlog: bool,
}

impl Polled {
    fn and(self, other: Self) -> Self {
        Self {
            started: self.started + other.started,
            more: self.more || other.more,
            backlog: self.backlog || other.backlog,
        }
    }
}

impl Dispatcher {
    /// Scans every queue and starts as many deliveries as there are free slots; with `full`, from
    /// the beginning.
    pub(super) async fn poll_queues(&self, full: bool) -> Result<Polled, StoreError> {
        let due = self.scan(full).await?;
        if due.is_empty() {
            return Ok(Polled::default());
        }
        let paused = self.read_pauses().await;
        let due = due.into_iter().filter(|(queue, _)| !paused.is_paused(queue)).collect();
        let due = self.queues.by_fairness(due);
        let (to_destinations, to_handlers): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(queue, _)| queue.destination().is_some());
        let (claims, sends) = tokio::join!(
            self.start_handlers(to_handlers),
            self.start_destinations(to_destinations)
        );
        Ok(claims.and(sends))
    }

    /// The queues with due deliveries, and since when the oldest is due.
    async fn scan(&self, full: bool) -> Result<Vec<(Queue, OffsetDateTime)>, StoreError> {
        let now = self.clock.now();
        let scans = self.queues.scans(full);
        let scanning = scans.into_iter().map(async |scan: Scan| {
            let began = Instant::now();
            let queues: Vec<_> = scan.0.iter().map(|(queue, from)| (queue, *from)).collect();
            match in_time(CLAIM_TIMEOUT, self.store.oldest_due(&queues, now)).await {
                Ok(oldest) => {
                    self.queues.scanned(&scan, &oldest, now, began.elapsed());
                    let due = scan.0.into_iter().zip(oldest);
                    Ok(due.filter_map(|((queue, _), oldest)| Some((queue, oldest?))).collect())
                }
                Err(error) => {
                    self.queues.scan_failed(&scan, now);
                    for (queue, _) in &scan.0 {
                        count_failed_claim(queue);
                    }
                    Err(error)
                }
            }
        });
        let results: Vec<Result<Vec<_>, StoreError>> = futures_util::stream::iter(scanning)
            .buffer_unordered(CONCURRENT_CLAIMS)
            .collect()
            .await;
        let mut due = Vec::new();
        let mut failed = None;
        for result in results {
            match result {
                Ok(found) => due.extend(found),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            // Readable queues are served although others failed.
            Some(error) if due.is_empty() => Err(error),
            Some(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot read some queues");
                Ok(due)
            }
            None => Ok(due),
        }
    }

    /// What is paused; if the database fails, what was paused before.
    async fn read_pauses(&self) -> Paused {
        let known = || self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        match in_time(CLAIM_TIMEOUT, self.store.paused()).await {
            Ok(paused) => known().clone_from(&paused),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot read pauses");
            }
        }
        known().clone()
    }

    async fn start_handlers(&self, due: Vec<(Queue, OffsetDateTime)>) -> Polled {
        let queues: Vec<&Queue> = due.iter().map(|(queue, _)| queue).collect();
        // Never claim more than there are free slots: the lease of a waiting delivery would expire.
        let free_slots = self.slots.offer(&queues);
        let claims = due.into_iter().zip(free_slots).filter(|(_, free)| *free > 0);
        let claims = claims.map(async |((queue, oldest), free)| {
            let claimed = in_time(CLAIM_TIMEOUT, self.claim(&queue, oldest, free)).await;
            let Some((leases, more)) = self.record_claim(&queue, claimed) else {
                return Polled::default();
            };
            let started = leases.len();
            for lease in leases {
                let slot = self.slots.take(queue.clone());
                self.start(lease, slot);
            }
            Polled { started, more, backlog: started == free }
        });
        let polls = futures_util::stream::iter(claims).buffer_unordered(CONCURRENT_CLAIMS);
        polls.fold(Polled::default(), async |all, polled| all.and(polled)).await
    }

    /// Claims from a queue of a handler, and parks followers that fill it. Returns also whether to
    /// poll again at once.
    async fn claim(
        &self,
        queue: &Queue,
        oldest: OffsetDateTime,
        free: usize,
    ) -> Result<(Vec<Lease>, bool), StoreError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let free = i64::try_from(free).unwrap_or(i64::MAX);
        let narrow = free.saturating_mul(2).saturating_add(16).min(MAX_SCANNED);
        let claimed = self.store.claim(queue, oldest, now, (free, narrow), lease).await?;
        if !is_short(&claimed, free) {
            return Ok((claimed.leases, false));
        }
        if self.park_followers(queue, oldest, now).await? {
            return Ok((claimed.leases, true));
        }
        if claimed.leases.is_empty() {
            let wide = self.store.claim(queue, oldest, now, (free, MAX_SCANNED), lease).await?;
            return Ok((wide.leases, false));
        }
        Ok((claimed.leases, false))
    }

    /// Destinations have limits of their own: a slow one takes no slots from the handlers or from
    /// another destination.
    async fn start_destinations(&self, due: Vec<(Queue, OffsetDateTime)>) -> Polled {
        if due.is_empty() {
            return Polled::default();
        }
        let now = self.clock.now();
        let blocked = match in_time(CLAIM_TIMEOUT, self.store.blocked_destinations(now)).await {
            Ok(blocked) => blocked,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "cannot read blocked destinations");
                return Polled::default();
            }
        };
        let mut by_destination: BTreeMap<String, Vec<(Queue, OffsetDateTime)>> = BTreeMap::new();
        for (queue, oldest) in due {
            let Some(name) = queue.destination().map(str::to_owned) else { continue };
            if !blocked.iter().any(|block| block.name == name && !block.may_probe) {
                by_destination.entry(name).or_default().push((queue, oldest));
            }
        }
        let claims = by_destination.into_iter().filter_map(|(name, queues)| {
            // A destination unknown here belongs to another gateway.
            Some((self.destinations.get(&name).copied()?, name, queues))
        });
        let claims = claims.map(async |(limit, name, queues)| {
            let claimed = self.claim_for_destination(&name, limit, &queues);
            let claimed = in_time(CLAIM_TIMEOUT, claimed).await;
            let Some((first, _)) = queues.first() else { return Polled::default() };
            let Some((leases, more)) = self.record_claim(first, claimed) else {
                return Polled::default();
            };
            let started = leases.len();
            for lease in leases {
                self.start(lease, ());
            }
            Polled { started, more, backlog: false }
        });
        let polls = futures_util::stream::iter(claims).buffer_unordered(CONCURRENT_CLAIMS);
        polls.fold(Polled::default(), async |all, polled| all.and(polled)).await
    }

    async fn claim_for_destination(
        &self,
        destination: &str,
        limit: i32,
        queues: &[(Queue, OffsetDateTime)],
    ) -> Result<(Vec<Lease>, bool), StoreError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let sources: Vec<(&str, OffsetDateTime)> =
            queues.iter().map(|(queue, oldest)| (queue.source.as_str(), *oldest)).collect();
        let claim = async |window| {
            let room = (limit, window);
            self.store.claim_for_destination(destination, room, &sources, now, lease).await
        };
        let claimed = claim(None).await?;
        if !claimed.truncated {
            return Ok((claimed.leases, false));
        }
        let mut parked = false;
        for (queue, oldest) in queues {
            parked |= self.park_followers(queue, *oldest, now).await?;
        }
        if claimed.leases.is_empty() && !parked {
            return Ok((claim(Some(MAX_SCANNED)).await?.leases, false));
        }
        Ok((claimed.leases, parked))
    }

    /// Parks followers that fill a queue, and returns whether there were any. Each step continues
    /// where the previous one ended: from the beginning, it would read the index entries of those
    /// already parked.
    async fn park_followers(
        &self,
        queue: &Queue,
        oldest: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (mut any, mut cursor) = (false, QueueCursor::before(oldest));
        for _ in 0..MAX_PARK_STEPS {
            let (count, next) = self.store.park_followers(queue, cursor, now).await?;
            any |= count > 0;
            match next {
                Some(next) if count > 0 => cursor = next,
                _ => break,
            }
        }
        Ok(any)
    }

    /// Records the result of a claim. A failure affects only its own queue.
    fn record_claim<T>(&self, queue: &Queue, claimed: Result<T, StoreError>) -> Option<T> {
        let now = self.clock.now();
        self.queues.claimed(queue, claimed.is_ok(), now);
        match claimed {
            Ok(claimed) => {
                self.queues.was_claimed(queue);
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

/// Whether free slots remain although there may be more due deliveries.
fn is_short(claimed: &Claimed, free: i64) -> bool {
    claimed.truncated && i64::try_from(claimed.leases.len()).unwrap_or(i64::MAX) < free
}

fn count_failed_claim(queue: &Queue) {
    metrics::counter!("sealpost_claim_failures_total",
        "source" => queue.source.clone(), "handler" => queue.handler.clone())
    .increment(1);
}
