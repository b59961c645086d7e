//! Group commit: requests that arrive while a commit is under way are recorded together by the
//! next one. There is no timer: a lone request is recorded at once.
//!
//! Every listener thread has a writer and a connection of its own, so a request goes from its
//! socket to its commit and back on one thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::error;

use crate::lifecycle::{Supervisor, caught};
use crate::store::{
    Committed, ErrorKind, GroupWriter, IngestRetries, Inserted, LockWait, NewEvent, Store,
    StoreError,
};

/// The maximum number of events in one statement.
const MAX_ROWS: usize = 256;
/// The maximum size of the bodies of a group, except for its last event.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Larger bodies have a writer of their own, so that they do not delay small ones.
const SMALL_BODY: usize = 64 * 1024;
/// How often the thread is yielded to collect further requests, while every yield brings more.
const MAX_YIELDS: usize = 8;
/// The capacity of a writer's queue. Beyond it the response is 503 at once.
const QUEUE: usize = 4096;
/// How long to wait for new requests before blocked ones are retried.
const LOCKED_PAUSE: Duration = Duration::from_millis(50);
/// How many blocked requests are retried at a time.
const LOCKED_RETRIES: usize = 4;
/// The name of a writer for the supervisor.
const WRITER_NAME: &str = "event writer";
/// How long a request waits for its commit before the response is 503.
pub(super) const PATIENCE: Duration = Duration::from_millis(2_500);

/// Records events in groups.
#[derive(Clone)]
pub struct GroupCommit {
    small: mpsc::Sender<Job>,
    large: mpsc::Sender<Job>,
    writers: Arc<Writers>,
}

struct Writers {
    store: Store,
    supervisor: Supervisor,
    committed: Arc<dyn Fn() + Send + Sync>,
}

/// Why an event was not stored, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// No confirmation in time, no connection, or the queue is full. Whether the event is stored is
    /// unknown.
    #[error("the database did not confirm the commit in time")]
    Unknown,
    /// The disk of the database is almost full, so no event is accepted.
    #[error("the disk of the database is almost full")]
    DiskFull,
    /// The database rejected this event.
    #[error("the database rejected the event")]
    Refused,
}

#[derive(Debug)]
struct Job {
    /// Boxed: it passes through several futures and a queue.
    new: Box<NewEvent>,
    until: Instant,
    reply: oneshot::Sender<Result<Committed<Inserted>, NotStored>>,
}

impl GroupCommit {
    /// Starts the writers under `supervisor`. They end when the last handle is dropped and their
    /// queues are empty. `committed` is called after each commit.
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

    /// A clone with a small-body writer on the current runtime, for a listener thread with its own
    /// runtime.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self {
            small: self.writers.start("small"),
            large: self.large.clone(),
            writers: Arc::clone(&self.writers),
        }
    }

    /// Records one event, together with others that are waiting. It is recorded even if the caller
    /// stops waiting.
    pub async fn record(&self, new: Box<NewEvent>) -> Result<Committed<Inserted>, NotStored> {
        let queue = if new.event.body.len() <= SMALL_BODY { &self.small } else { &self.large };
        let (reply, answer) = oneshot::channel();
        let until = Instant::now() + PATIENCE;
        if let Err(error) = queue.try_send(Job { new, until, reply }) {
            if matches!(error, TrySendError::Closed(_)) {
                self.writers.supervisor.lost(WRITER_NAME);
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
        self.supervisor.keep(WRITER_NAME, writing);
        sender
    }
}

async fn write(
    name: &'static str,
    connection: GroupWriter,
    jobs: mpsc::Receiver<Job>,
    committed: Arc<dyn Fn() + Send + Sync>,
) {
    let mut writer = Writer { connection, jobs, locked: VecDeque::new() };
    let sizes = metrics::histogram!("sealpost_group_commit_events", "writer" => name);
    let mut group = Vec::with_capacity(MAX_ROWS);
    loop {
        let open = writer.gather(&mut group).await;
        // Their callers have answered 503; the senders will retry.
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
        // A dropped reply channel means `NotStored::Unknown`.
        caught(WRITER_NAME, writer.commit(&mut group)).await;
        caught(WRITER_NAME, writer.try_locked()).await;
        group.clear();
        committed();
    }
    writer.connection.close().await;
}

/// A writer with its queue.
struct Writer {
    connection: GroupWriter,
    jobs: mpsc::Receiver<Job>,
    /// Events blocked by a lock of another transaction. Retried after all others.
    locked: VecDeque<Job>,
}

impl Writer {
    /// Collects the waiting requests, or waits for the first one. False when the queue is closed.
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
        // Requests that have arrived but are not read yet are included, as long as every yield
        // brings more. A lone request waits for one yield.
        let mut queued = 0;
        for _ in 0..MAX_YIELDS {
            tokio::task::yield_now().await;
            if std::mem::replace(&mut queued, self.jobs.len()) == self.jobs.len() {
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

    /// Commits a group, and sends each caller its own outcome.
    ///
    /// If the database rejects the group, or one of its events waits for a lock, the group is
    /// halved until those events are isolated: they do not fail the others. Temporary errors are
    /// retried while the senders wait.
    async fn commit(&mut self, group: &mut Vec<Job>) {
        let Some(until) = group.iter().map(|job| job.until).min() else { return };
        let mut parts = VecDeque::from([std::mem::take(group)]);
        let mut retry = IngestRetries::until(until);
        let mut lock_wait = LockWait::Usually;
        while let Some(mut part) = parts.pop_front() {
            let Some(error) = self.record(&mut part, lock_wait).await else { continue };
            let (alone, half) = (part.len() == 1, part.len() / 2);
            let locked = error.kind() == ErrorKind::LockTimeout && Instant::now() < until;
            if alone && locked {
                self.locked.extend(part);
            } else if !alone && (locked || matches!(error, StoreError::Refused(_))) {
                // Events that are not blocked come first.
                lock_wait = LockWait::Briefly;
                parts.push_back(part.split_off(half));
                parts.push_back(part);
            } else if retry.should_retry(&error).await {
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

    /// Retries some of the blocked requests.
    async fn try_locked(&mut self) {
        for _ in 0..self.locked.len().min(LOCKED_RETRIES) {
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

    /// Records a part of a group and answers its callers. Returns the error, if any.
    async fn record(&mut self, part: &mut Vec<Job>, lock_wait: LockWait) -> Option<StoreError> {
        let events: Vec<&NewEvent> = part.iter().map(|job| &*job.new).collect();
        match self.connection.record(&events, lock_wait).await {
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
        self.connection.mark_failed(error);
        let why = log_and_classify(error);
        for job in part {
            answer(job, Err(why));
        }
    }
}

/// Logs the error, and returns the reason for the callers.
pub(super) fn log_and_classify(error: &StoreError) -> NotStored {
    let kind = error.kind().as_str();
    error!(kind, error = error as &dyn std::error::Error, "cannot commit events");
    match error {
        StoreError::Refused(_) | StoreError::Inconsistent { .. } => NotStored::Refused,
        StoreError::Unavailable(_) | StoreError::CommitUnknown(_) | StoreError::LeaseLost(_) => {
            NotStored::Unknown
        }
    }
}

fn answer(job: Job, outcome: Result<Committed<Inserted>, NotStored>) {
    // The caller may be gone.
    drop(job.reply.send(outcome));
}
