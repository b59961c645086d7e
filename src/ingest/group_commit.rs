//! Group commit: requests that arrive while a commit is under way are recorded together by the
//! next one. There is no timer: a lone request is recorded at once.
//!
//! Every thread of the listener has a writer of its own, with a connection of its own: a request
//! goes from its socket to its commit and back on one thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::error;

use crate::lifecycle::{Supervisor, caught};
use crate::store::{
    Committed, GroupWriter, Inserted, LockWait, NewEvent, RetryUntil, Store, StoreError, Trouble,
};

/// The most events in one statement.
const MAX_ROWS: usize = 256;
/// A group takes no further event once its bodies have this many bytes together.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Larger bodies go by a writer of their own, so that they hold up no small ones.
const SMALL: usize = 64 * 1024;
/// For how many turns of its thread a group is held open while every turn brings more.
const MAX_TURNS: usize = 8;
/// How many requests may wait for a writer. Beyond it the answer is 503 at once.
const QUEUE: usize = 4096;
/// How long new requests are waited for before those behind a lock are tried once more.
const LOCKED_PAUSE: Duration = Duration::from_millis(50);
/// How many of those are tried in one turn.
const LOCKED_TRIES: usize = 4;
/// What a writer is called where it is watched.
const WRITER: &str = "event writer";
/// How long a request waits for its commit before the answer is 503.
pub(super) const PATIENCE: Duration = Duration::from_millis(2_500);

/// Records events in groups.
#[derive(Clone)]
pub struct GroupCommit {
    small: mpsc::Sender<Job>,
    large: mpsc::Sender<Job>,
    writers: Arc<Writers>,
}

/// What it takes to start a writer.
struct Writers {
    store: Store,
    supervisor: Supervisor,
    committed: Arc<dyn Fn() + Send + Sync>,
}

/// Why an event is not known to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// The database did not confirm it in time, or cannot be reached, or the queue is full.
    /// Whether it is stored is unknown.
    #[error("the database did not confirm the commit in time")]
    Unknown,
    /// The database refuses this event.
    #[error("the database rejected the event")]
    Refused,
}

#[derive(Debug)]
struct Job {
    new: NewEvent,
    until: Instant,
    reply: oneshot::Sender<Result<Committed<Inserted>, NotStored>>,
}

impl GroupCommit {
    /// Starts the writers, watched by `supervisor`. They end when the last handle is dropped and everything in
    /// their queue is answered. `committed` is called after each commit that stored something.
    pub fn start(
        store: &Store,
        supervisor: &Supervisor,
        committed: &Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let writers = Arc::new(Writers {
            store: store.clone(),
            supervisor: supervisor.clone(),
            committed: Arc::clone(committed),
        });
        Self { small: writers.start("small"), large: writers.start("large"), writers }
    }

    /// The same with a writer for small bodies on the present runtime, for a thread of the
    /// listener that is a runtime of its own.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self {
            small: self.writers.start("small"),
            large: self.large.clone(),
            writers: Arc::clone(&self.writers),
        }
    }

    /// Records one event, together with others that happen to be there. Once it is handed over,
    /// it is recorded whether or not the caller still waits.
    ///
    /// # Errors
    /// [`NotStored`].
    pub async fn record(&self, new: NewEvent) -> Result<Committed<Inserted>, NotStored> {
        let queue = if new.event.body.len() <= SMALL { &self.small } else { &self.large };
        let (reply, answer) = oneshot::channel();
        let until = Instant::now() + PATIENCE;
        if let Err(error) = queue.try_send(Job { new, until, reply }) {
            if matches!(error, TrySendError::Closed(_)) {
                self.writers.supervisor.lost(WRITER);
            }
            return Err(NotStored::Unknown);
        }
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(recorded)) => recorded,
            Ok(Err(_)) | Err(_) => Err(NotStored::Unknown),
        }
    }
}

impl Writers {
    fn start(&self, name: &'static str) -> mpsc::Sender<Job> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let writing = write(name, self.store.group_writer(), jobs, Arc::clone(&self.committed));
        self.supervisor.keep(WRITER, writing);
        sender
    }
}

async fn write(
    name: &'static str,
    inserter: GroupWriter,
    jobs: mpsc::Receiver<Job>,
    committed: Arc<dyn Fn() + Send + Sync>,
) {
    let mut writer = Writer { inserter, jobs, locked: VecDeque::new() };
    let sizes = metrics::histogram!("sealpost_group_commit_events", "writer" => name);
    let mut group = Vec::with_capacity(MAX_ROWS);
    loop {
        let open = writer.gather(&mut group).await;
        // Who waited too long was answered 503 already and will send it again.
        let now = Instant::now();
        group.retain(|job| job.until > now);
        writer.locked.retain(|job| job.until > now);
        if group.is_empty() && writer.locked.is_empty() {
            if open {
                continue;
            }
            break;
        }
        if !group.is_empty() {
            sizes.record(u32::try_from(group.len()).unwrap_or(u32::MAX));
        }
        // Whoever waits for a reply that is dropped is told that nothing is known.
        caught(WRITER, writer.commit(&mut group)).await;
        caught(WRITER, writer.try_locked()).await;
        group.clear();
        committed();
    }
    writer.inserter.close().await;
}

/// Records what comes in through a queue.
struct Writer {
    inserter: GroupWriter,
    jobs: mpsc::Receiver<Job>,
    /// Those for which another transaction holds a lock: tried now and then, behind all others.
    locked: VecDeque<Job>,
}

impl Writer {
    /// Takes what is there, or waits for the first to come; false when nothing will come any more.
    async fn gather(&mut self, group: &mut Vec<Job>) -> bool {
        let next = self.jobs.recv();
        let first = if self.locked.is_empty() {
            next.await
        } else {
            match tokio::time::timeout(LOCKED_PAUSE, next).await {
                Ok(first) => first,
                Err(_) => return true,
            }
        };
        let Some(first) = first else { return false };
        // Requests that have arrived already, but were not read yet, come along: as long as every
        // turn of this thread brings more. A lone request waits for one turn that brings nothing.
        let mut waiting = 0;
        for _ in 0..MAX_TURNS {
            tokio::task::yield_now().await;
            if std::mem::replace(&mut waiting, self.jobs.len()) == self.jobs.len() {
                break;
            }
        }
        let mut bytes = first.new.event.body.len();
        group.push(first);
        while group.len() < MAX_ROWS && bytes < MAX_BYTES {
            let Ok(next) = self.jobs.try_recv() else { break };
            bytes += next.new.event.body.len();
            group.push(next);
        }
        true
    }

    /// Commits a group, and tells each caller its own outcome.
    ///
    /// When the database refuses the group, or one of it waits for a lock, the group is halved
    /// until those are found: they do not fail their neighbours. What is refused for the moment is
    /// tried again, as long as its sender waits.
    async fn commit(&mut self, group: &mut Vec<Job>) {
        let Some(until) = group.iter().map(|job| job.until).min() else { return };
        let mut parts = VecDeque::from([std::mem::take(group)]);
        let mut again = RetryUntil::until(until);
        let mut waits = LockWait::Usually;
        while let Some(mut part) = parts.pop_front() {
            let Some(error) = self.record(&mut part, waits).await else { continue };
            let (alone, half) = (part.len() == 1, part.len() / 2);
            let locked = error.trouble() == Trouble::LockedDelivery && Instant::now() < until;
            if alone && locked {
                self.locked.extend(part);
            } else if !alone && (locked || matches!(error, StoreError::Refused(_))) {
                // Those that do not have to wait come before those that do.
                waits = LockWait::Briefly;
                parts.push_back(part.split_off(half));
                parts.push_back(part);
            } else if again.after(&error).await {
                parts.push_back(part);
            } else {
                self.fail(part, &error);
            }
            if Instant::now() >= until {
                let rest = parts.drain(..).flatten().collect();
                self.fail(rest, &StoreError::timed_out());
            }
        }
    }

    /// Tries some of those for which another transaction held a lock.
    async fn try_locked(&mut self) {
        for _ in 0..self.locked.len().min(LOCKED_TRIES) {
            let Some(job) = self.locked.pop_front() else { return };
            let mut part = vec![job];
            let Some(error) = self.record(&mut part, LockWait::Briefly).await else { continue };
            let in_time = part.iter().all(|job| job.until > Instant::now());
            if error.is_transient() && in_time {
                self.locked.extend(part);
            } else {
                self.fail(part, &error);
            }
        }
    }

    /// Records a part of a group and tells its callers; gives what was in the way, if something
    /// was.
    async fn record(&mut self, part: &mut Vec<Job>, waits: LockWait) -> Option<StoreError> {
        let events: Vec<&NewEvent> = part.iter().map(|job| &job.new).collect();
        match self.inserter.record(&events, waits).await {
            Ok(recorded) => {
                for (job, recorded) in part.drain(..).zip(recorded.split()) {
                    answer(job, Ok(recorded));
                }
                None
            }
            Err(error) => Some(error),
        }
    }

    fn fail(&self, part: Vec<Job>, error: &StoreError) {
        if part.is_empty() {
            return;
        }
        self.inserter.has_failed(error);
        let why = explain(error);
        for job in part {
            answer(job, Err(why));
        }
    }
}

/// Logs why something is not known to be stored, and says which of the two it is.
pub(super) fn explain(error: &StoreError) -> NotStored {
    let trouble = error.trouble().as_str();
    error!(trouble, error = error as &dyn std::error::Error, "cannot commit events");
    match error {
        StoreError::Refused(_) | StoreError::Inconsistent { .. } => NotStored::Refused,
        StoreError::Unavailable(_) | StoreError::CommitUnknown(_) | StoreError::LeaseLost(_) => {
            NotStored::Unknown
        }
    }
}

fn answer(job: Job, outcome: Result<Committed<Inserted>, NotStored>) {
    // A caller that has gone does not need it.
    drop(job.reply.send(outcome));
}
