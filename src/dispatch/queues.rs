//! What is known of the queues: where each is looked at from, and which cannot be claimed from.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::problem::Failing;
use super::scan_floor::Floor;
use super::{HandlerTable, Trouble};
use crate::store::{Queue, TO};

/// After the first failure a queue is left alone for so long; twice as long after every further
/// one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest time for which a queue is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The queues.
#[derive(Debug)]
pub(super) struct Queues(Mutex<State>);

#[derive(Debug)]
struct State {
    known: Vec<Known>,
    /// How often something was claimed.
    turn: u64,
}

#[derive(Debug)]
struct Known {
    queue: Queue,
    floor: Floor,
    /// When it last had its turn.
    turn: u64,
    failures: u32,
    failing: Option<Failing>,
    not_before: Option<Instant>,
}

/// A look at some queues, in one statement.
#[derive(Debug)]
pub(super) struct Look(pub(super) Vec<(Queue, Option<OffsetDateTime>)>);

impl Queues {
    pub(super) fn new(table: &HandlerTable) -> Self {
        let queues = Self(Mutex::new(State { known: Vec::new(), turn: 0 }));
        queues.learn(table.queues());
        queues
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds those that are new.
    pub(super) fn learn(&self, found: Vec<Queue>) {
        let mut state = self.state();
        let at = Instant::now();
        for queue in found {
            if !state.known.iter().any(|known| known.queue == queue) {
                state.known.push(Known {
                    queue,
                    floor: Floor::new(at),
                    turn: 0,
                    failures: 0,
                    failing: None,
                    not_before: None,
                });
            }
        }
    }

    /// The looks to be made now; with `whole`, one at all of them from the beginning.
    pub(super) fn looks(&self, whole: bool) -> Vec<Look> {
        let at = Instant::now();
        let state = self.state();
        let (mut together, mut looks) = (Vec::new(), Vec::new());
        for known in &state.known {
            let from = if whole { None } else { known.floor.next(at) };
            let look = (known.queue.clone(), from);
            let is_left_alone = known.not_before.is_some_and(|then| at < then);
            match (whole || !known.floor.is_alone(), whole || !is_left_alone) {
                (true, true) => together.push(look),
                (false, true) => looks.push(Look(vec![look])),
                (_, false) => {}
            }
        }
        if !together.is_empty() {
            looks.insert(0, Look(together));
        }
        looks
    }

    /// Notes what a look has found: for each queue since when its oldest has been due.
    pub(super) fn looked(
        &self,
        look: &Look,
        oldest: &[Option<OffsetDateTime>],
        now: OffsetDateTime,
        took: Duration,
    ) {
        let at = Instant::now();
        let mut state = self.state();
        for ((queue, from), oldest) in look.0.iter().zip(oldest) {
            if let Some(known) = state.find(queue) {
                known.floor.looked(*from, *oldest, now, (at, took));
            }
        }
    }

    /// Notes that a look has failed.
    pub(super) fn look_failed(&self, look: &Look, now: OffsetDateTime) {
        let at = Instant::now();
        let mut state = self.state();
        for (queue, from) in &look.0 {
            if let Some(known) = state.find(queue) {
                known.floor.failed(*from, now, at);
                if let [_] = look.0[..] {
                    known.failed(now, at);
                }
            }
        }
    }

    /// Notes that a queue was claimed from, or could not be.
    pub(super) fn claimed(&self, queue: &Queue, well: bool, now: OffsetDateTime) {
        let at = Instant::now();
        if let Some(known) = self.state().find(queue) {
            if well {
                (known.failures, known.failing, known.not_before) = (0, None, None);
            } else {
                known.failed(now, at);
            }
        }
    }

    /// Notes that a queue had its turn.
    pub(super) fn had_turn(&self, queue: &Queue) {
        let mut state = self.state();
        state.turn += 1;
        let turn = state.turn;
        if let Some(known) = state.find(queue) {
            known.turn = turn;
        }
    }

    /// These, the one that has waited longest for its turn first.
    pub(super) fn in_turn<T>(&self, mut these: Vec<(Queue, T)>) -> Vec<(Queue, T)> {
        let mut state = self.state();
        these.sort_by_cached_key(|(queue, _)| state.find(queue).map_or(0, |known| known.turn));
        these
    }

    /// Those that cannot be claimed from.
    pub(super) fn troubles(&self, now: OffsetDateTime) -> Vec<Trouble> {
        let state = self.state();
        let failing = state.known.iter().filter_map(|known| {
            let queue = known.queue.clone();
            Some(Trouble {
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
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.failing = Some(Failing::noted(self.failing, now));
        self.not_before = Some(at + pause);
    }
}

/// Whether a queue is a destination's.
pub(super) fn is_to_destination(queue: &Queue) -> bool {
    queue.handler.starts_with(TO)
}
