//! The memory budget for request bodies, from their first byte to the response, divided so that
//! slow senders cannot exhaust it.
//!
//! - *Small* bodies, up to [`SMALL`] bytes, have a part of the budget that large ones never use.
//! - *Large* bodies share another part. While others wait, one peer can use at most half of it.
//! - Processing copies a body: it is decoded, and written to the database connection. The copies of
//!   large bodies are counted too, and wait for each other ([`Reservation::copies`]).
//!
//! If the budget is used up, the next part of a body waits, and TCP flow control slows its sender
//! down. A stalled body is evicted to make room. Only then is a request rejected.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::Peer;
use crate::byte_permits::BytePermits;

const SMALL: usize = 64 * 1024;
/// A body that has not received [`MIN_PROGRESS`] bytes for this long is stalled.
const STALLED_AFTER: Duration = Duration::from_millis(1_500);
/// The progress that a body must make in that time, in bytes.
const MIN_PROGRESS: usize = 8 * 1024;
/// How long a small body waits for memory: longer than it takes to detect a stalled one.
const SMALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a large body waits: its peer may send several at a time and await them.
const LARGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a waiting body looks for stalled ones.
const STALL_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// How long a large body waits for its copies.
const COPY_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of copies made while a body is processed.
const COPIES_PER_BODY: usize = 2;

/// The memory budget of all requests.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    state: Mutex<State>,
    freed: Notify,
    copies: BytePermits,
}

/// The parts of a budget, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    small: usize,
    large: usize,
    copies: usize,
}

#[derive(Debug, Default)]
struct State {
    small: usize,
    large: usize,
    peers: HashMap<Peer, usize>,
    bodies: BTreeMap<u64, Body>,
    next: u64,
}

#[derive(Debug)]
struct Body {
    peer: Option<Peer>,
    bytes: usize,
    pool: Pool,
    /// When it last made progress; `None` once it is complete.
    progressed_at: Option<Instant>,
    /// Its size at that time.
    progress_bytes: usize,
    /// Whether it waits for memory.
    waiting: bool,
    evicted: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pool {
    Small,
    Large,
}

/// Why a body cannot grow.
#[derive(Debug, Clone, Copy)]
enum Exhausted {
    /// The budgets of small and of large bodies.
    Small,
    /// The budget of large bodies.
    Large,
    /// The share of this peer.
    Share,
}

/// No memory was available in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory budget for bodies exhausted")]
pub struct BudgetExhausted;

/// The memory of one body; released when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: ByteBudget,
    id: u64,
    evicted: Arc<Notify>,
}

impl Parts {
    fn of(limit: usize) -> Self {
        let small = limit / 8;
        let large = limit / 2;
        Self { small, large, copies: limit - small - large }
    }
}

impl ByteBudget {
    pub fn new(limit: usize) -> Self {
        let parts = Parts::of(limit);
        let shared = Shared {
            parts,
            state: Mutex::default(),
            freed: Notify::new(),
            copies: BytePermits::new(parts.copies),
        };
        Self(Arc::new(shared))
    }

    /// The largest body that fits into a budget of `limit` bytes.
    pub fn largest(limit: usize) -> usize {
        Parts::of(limit).large
    }

    /// An empty reservation. It grows as bytes arrive: a request that only announces a large body
    /// costs nothing.
    pub fn open(&self, peer: Option<Peer>) -> Reservation {
        let evicted = Arc::new(Notify::new());
        let body = Body {
            peer,
            bytes: 0,
            pool: Pool::Small,
            progressed_at: Some(Instant::now()),
            progress_bytes: 0,
            waiting: false,
            evicted: Arc::clone(&evicted),
        };
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.bodies.insert(id, body);
        drop(state);
        Reservation { budget: self.clone(), id, evicted }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Reserves `more` bytes, waiting for them if necessary.
    ///
    /// # Errors
    /// [`BudgetExhausted`] after a timeout, or when this body is evicted in favour of an earlier
    /// one.
    pub async fn grow(&mut self, more: usize) -> Result<(), BudgetExhausted> {
        if self.try_grow(more).is_ok() {
            return Ok(());
        }
        self.set_waiting(true);
        let evicted = Arc::clone(&self.evicted);
        let grown = tokio::select! {
            grown = self.wait(more) => grown,
            () = evicted.notified() => Err(BudgetExhausted),
        };
        self.set_waiting(false);
        grown
    }

    async fn wait(&self, more: usize) -> Result<(), BudgetExhausted> {
        let began = Instant::now();
        loop {
            let freed = self.budget.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let Err(exhausted) = self.try_grow(more) else { return Ok(()) };
            let now = Instant::now();
            let until = began + exhausted.timeout();
            if now >= until {
                return Err(BudgetExhausted);
            }
            self.evict_stalled(exhausted, more, now);
            drop(tokio::time::timeout_at(until.min(now + STALL_CHECK_INTERVAL), freed).await);
        }
    }

    /// Waits until this body is evicted: it is stalled, and others need its memory.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Marks the body as complete: from now on it cannot stall.
    pub fn complete(&self) {
        if let Some(body) = self.budget.state().bodies.get_mut(&self.id) {
            body.progressed_at = None;
        }
    }

    /// Waits for the memory of the copies that processing makes. Drop the permit to release it.
    ///
    /// # Errors
    /// [`BudgetExhausted`] after a timeout.
    pub async fn copies(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BudgetExhausted> {
        // A body that is too large for the budget uses all of it.
        let permit = self.budget.0.copies.acquire(bytes.saturating_mul(COPIES_PER_BODY));
        tokio::time::timeout(COPY_TIMEOUT, permit).await.ok().flatten().ok_or(BudgetExhausted)
    }

    fn set_waiting(&self, waiting: bool) {
        if let Some(body) = self.budget.state().bodies.get_mut(&self.id) {
            body.waiting = waiting;
        }
    }

    fn try_grow(&self, more: usize) -> Result<(), Exhausted> {
        let parts = self.budget.0.parts;
        let mut state = self.budget.state();
        let State { small, large, peers, bodies, .. } = &mut *state;
        let Some(body) = bodies.get(&self.id) else { return Ok(()) };
        let (total, address) = (body.bytes.saturating_add(more), body.address());
        let stays_small = body.pool == Pool::Small && total <= SMALL;
        // Its small-body memory moves along.
        let added = if body.pool == Pool::Small { total } else { more };
        let pool = if stays_small && small.saturating_add(more) <= parts.small {
            Pool::Small
        } else {
            let used = address.and_then(|address| peers.get(&address)).copied().unwrap_or_default();
            let others_wait =
                || bodies.values().any(|body| body.waiting && body.address() != address);
            if large.saturating_add(added) > parts.large {
                return Err(if stays_small { Exhausted::Small } else { Exhausted::Large });
            }
            if used.saturating_add(added) > parts.share(total) && others_wait() {
                return Err(if stays_small { Exhausted::Small } else { Exhausted::Share });
            }
            Pool::Large
        };
        let Some(body) = bodies.get_mut(&self.id) else { return Ok(()) };
        match (body.pool, pool) {
            (_, Pool::Small) => *small += more,
            (before, Pool::Large) => {
                if before == Pool::Small {
                    *small -= body.bytes;
                }
                *large += added;
                if let Some(address) = address {
                    *peers.entry(address).or_default() += added;
                }
            }
        }
        (body.pool, body.bytes) = (pool, total);
        if total - body.progress_bytes >= MIN_PROGRESS {
            (body.progress_bytes, body.progressed_at) =
                (total, body.progressed_at.map(|_| Instant::now()));
        }
        Ok(())
    }

    /// Evicts as many stalled bodies as needed, the longest stalled first. Of two bodies that wait
    /// for each other's memory, the later one counts as stalled, and so does one whose peer exceeds
    /// its share.
    fn evict_stalled(&self, exhausted: Exhausted, more: usize, now: Instant) {
        let state = self.budget.state();
        let Some(own) = state.bodies.get(&self.id) else { return };
        let address = own.address();
        let needed = if own.pool == Pool::Small { own.bytes + more } else { more };
        let would_help = |body: &Body| match exhausted {
            Exhausted::Small => true,
            Exhausted::Large => body.pool == Pool::Large,
            Exhausted::Share => body.pool == Pool::Large && body.address() == address,
        };
        let exceeds_share = |body: &Body| {
            let used = body.address().and_then(|address| state.peers.get(&address));
            body.address() != address
                && used.is_some_and(|used| *used > self.budget.0.parts.share(0))
        };
        let mut stalled: Vec<(Instant, u64)> = state
            .bodies
            .iter()
            .filter(|(id, _)| **id != self.id)
            .filter(|(id, body)| !body.waiting || **id > self.id || exceeds_share(body))
            .filter(|(_, body)| would_help(body))
            .filter_map(|(id, body)| Some((body.progressed_at?, *id)))
            .filter(|(progressed_at, _)| now.duration_since(*progressed_at) >= STALLED_AFTER)
            .collect();
        stalled.sort_unstable();
        let mut freed_bytes = 0;
        for (_, id) in stalled {
            let Some(body) = state.bodies.get(&id).filter(|_| freed_bytes < needed) else { break };
            freed_bytes += body.bytes;
            body.evicted.notify_one();
        }
    }
}

impl Exhausted {
    fn timeout(self) -> Duration {
        match self {
            Self::Small => SMALL_TIMEOUT,
            Self::Large | Self::Share => LARGE_TIMEOUT,
        }
    }
}

impl Body {
    /// The peer whose share it uses. A reported client uses the share of its address.
    fn address(&self) -> Option<Peer> {
        self.peer.map(|peer| peer.shared().unwrap_or(peer))
    }
}

impl Parts {
    /// What the large bodies of one peer may use while others wait: half of the budget, or one body
    /// of `body` bytes.
    fn share(self, body: usize) -> usize {
        (self.large / 2).max(body)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        let Some(body) = state.bodies.remove(&self.id) else { return };
        match body.pool {
            Pool::Small => state.small -= body.bytes,
            Pool::Large => {
                state.large -= body.bytes;
                if let Some(address) = body.address()
                    && let Some(used) = state.peers.get_mut(&address)
                {
                    *used = used.saturating_sub(body.bytes);
                    if *used == 0 {
                        state.peers.remove(&address);
                    }
                }
            }
        }
        drop(state);
        self.budget.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
