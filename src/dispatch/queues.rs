//! The known queues: where the scan of each begins, and which of them fail.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::problem::Failing;
use super::scan_floor::Floor;
use super::{DispatchProblem, HandlerTable};
use crate::store::Queue;

/// The backoff after the first failure of a queue. It doubles with every further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The maximum backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Queues(Mutex<State>);

#[derive(Debug)]
struct State {
    known: Vec<Known>,
    /// Incremented with every successful claim.
    claims: u64,
}

#[derive(Debug)]
struct Known {
    queue: Queue,
    floor: Floor,
    /// The value of `State::claims` when it was last claimed from.
    last_claim: u64,
    failures: u32,
    failing: Option<Failing>,
    not_before: Option<Instant>,
}

/// A scan of some queues, in one statement.
#[derive(Debug)]
pub(super) struct Scan(pub(super) Vec<(Queue, Option<OffsetDateTime>)>);

impl Queues {
    pub(super) fn new(table: &HandlerTable) -> Self {
        let queues = Self(Mutex::new(State { known: Vec::new(), claims: 0 }));
        queues.add(table.queues());
        queues
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, found: Vec<Queue>) {
        let mut state = self.state();
        let at = Instant::now();
        for queue in found {
            if !state.known.iter().any(|known| known.queue == queue) {
                state.known.push(Known {
                    queue,
                    floor: Floor::new(at),
                    last_claim: 0,
                    failures: 0,
                    failing: None,
                    not_before: None,
                });
            }
        }
    }

    /// The scans to make now; with `full`, one scan of all queues from the beginning.
    pub(super) fn scans(&self, full: bool) -> Vec<Scan> {
        let at = Instant::now();
        let state = self.state();
        let (mut together, mut scans) = (Vec::new(), Vec::new());
        for known in &state.known {
            let from = if full { None } else { known.floor.next(at) };
            let scan = (known.queue.clone(), from);
            let backs_off = known.not_before.is_some_and(|then| at < then);
            match (full || !known.floor.is_separate(), full || !backs_off) {
                (true, true) => together.push(scan),
                (false, true) => scans.push(Scan(vec![scan])),
                (_, false) => {}
            }
        }
        if !together.is_empty() {
            scans.insert(0, Scan(together));
        }
        scans
    }

    /// Records the result of a scan: when the oldest delivery of each queue became due.
    pub(super) fn scanned(
        &self,
        scan: &Scan,
        oldest: &[Option<OffsetDateTime>],
        now: OffsetDateTime,
        took: Duration,
    ) {
        let at = Instant::now();
        let mut state = self.state();
        for ((queue, from), oldest) in scan.0.iter().zip(oldest) {
            if let Some(known) = state.find(queue) {
                known.floor.scanned(*from, *oldest, now, (at, took));
            }
        }
    }

    pub(super) fn scan_failed(&self, scan: &Scan, now: OffsetDateTime) {
        let at = Instant::now();
        let mut state = self.state();
        for (queue, from) in &scan.0 {
            if let Some(known) = state.find(queue) {
                known.floor.failed(*from, now, at);
                if let [_] = scan.0[..] {
                    known.failed(now, at);
                }
            }
        }
    }

    pub(super) fn claimed(&self, queue: &Queue, succeeded: bool, now: OffsetDateTime) {
        let at = Instant::now();
        if let Some(known) = self.state().find(queue) {
            if succeeded {
                (known.failures, known.failing, known.not_before) = (0, None, None);
            } else {
                known.failed(now, at);
            }
        }
    }

    pub(super) fn was_claimed(&self, queue: &Queue) {
        let mut state = self.state();
        state.claims += 1;
        let claims = state.claims;
        if let Some(known) = state.find(queue) {
            known.last_claim = claims;
        }
    }

    /// Sorts by fairness: the queue that was claimed from longest ago comes first.
    pub(super) fn by_fairness<T>(&self, mut queues: Vec<(Queue, T)>) -> Vec<(Queue, T)> {
        let mut state = self.state();
        queues
            .sort_by_cached_key(|(queue, _)| state.find(queue).map_or(0, |known| known.last_claim));
        queues
    }

    pub(super) fn problems(&self, now: OffsetDateTime) -> Vec<DispatchProblem> {
        let state = self.state();
        let failing = state.known.iter().filter_map(|known| {
            let queue = known.queue.clone();
            Some(DispatchProblem {
                source: Some(queue.source),
                handler: queue.handler,
                since: known.failing?.since(now)?,
            })
        });
        failing.collect()
    }
}

impl State {
    fn find(&mut self, queue: &Queue) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.queue == *queue)
    }
}

impl Known {
    fn failed(&mut self, now: OffsetDateTime, at: Instant) {
        let backoff = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(16)).min(MAX_BACKOFF);
        self.failures = self.failures.saturating_add(1);
        self.failing = Some(Failing::recorded(self.failing, now));
        self.not_before = Some(at + backoff);
    }
}
