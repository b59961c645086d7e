//! Group commit: requests that arrive while a commit is under way are recorded together by the
//! next one. There is no timer: a lone request is recorded at once.
//!
//! Every thread of the listener has a writer of its own, with a connection of its own: a request
//! goes from its socket to its commit and back on one thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::store::{Committed, NewEvent, Recorded, Recorder, Store, StoreError};

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
/// How long a request waits for its commit before the answer is 503.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Records events in groups.
#[derive(Clone)]
pub struct Batch {
    small: mpsc::Sender<Job>,
    large: mpsc::Sender<Job>,
    writers: Arc<Writers>,
}

/// What it takes to start a writer.
struct Writers {
    store: Store,
    tasks: TaskTracker,
    committed: Arc<dyn Fn() + Send + Sync>,
}

/// Why an event is not known to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// The database did not confirm it in time, or cannot be reached, or the queue is full.
    /// Whether it is stored is unknown.
    #[error("the database did not confirm in time that the event is stored")]
    Unknown,
    /// The database refuses this event.
    #[error("the database refuses the event")]
    Refused,
}

#[derive(Debug)]
struct Job {
    new: NewEvent,
    until: Instant,
    reply: oneshot::Sender<Result<Committed<Recorded>, NotStored>>,
}

impl Batch {
    /// Starts the writers on `tasks`. They end when the last handle is dropped and everything in
    /// their queue is answered. `committed` is called after each commit that stored something.
    pub fn start(
        store: &Store,
        tasks: &TaskTracker,
        committed: &Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let writers = Arc::new(Writers {
            store: store.clone(),
            tasks: tasks.clone(),
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
    pub async fn record(&self, new: NewEvent) -> Result<Committed<Recorded>, NotStored> {
        let queue = if new.event.body.len() <= SMALL { &self.small } else { &self.large };
        let (reply, answer) = oneshot::channel();
        let until = Instant::now() + PATIENCE;
        queue.try_send(Job { new, until, reply }).map_err(|_| NotStored::Unknown)?;
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(recorded)) => recorded,
            Ok(Err(_)) | Err(_) => Err(NotStored::Unknown),
        }
    }
}

impl Writers {
    fn start(&self, name: &'static str) -> mpsc::Sender<Job> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let writing = write(name, self.store.recorder(), jobs, Arc::clone(&self.committed));
        self.tasks.spawn(writing);
        sender
    }
}

async fn write(
    name: &'static str,
    mut recorder: Recorder,
    mut jobs: mpsc::Receiver<Job>,
    committed: Arc<dyn Fn() + Send + Sync>,
) {
    let sizes = metrics::histogram!("sealpost_batch_events", "writer" => name);
    let mut group = Vec::with_capacity(MAX_ROWS);
    while gather(&mut jobs, &mut group).await {
        // Who waited too long was answered 503 already and will send it again.
        let now = Instant::now();
        group.retain(|job| job.until > now);
        if group.is_empty() {
            continue;
        }
        sizes.record(u32::try_from(group.len()).unwrap_or(u32::MAX));
        commit(&mut recorder, &mut group).await;
        committed();
    }
    recorder.close().await;
}

/// Takes what is there, or waits for the first to come; false when nothing will come any more.
async fn gather(jobs: &mut mpsc::Receiver<Job>, group: &mut Vec<Job>) -> bool {
    let Some(first) = jobs.recv().await else { return false };
    // Requests that have arrived already, but were not read yet, come along: as long as every
    // turn of this thread brings more. A lone request waits for one turn that brings nothing.
    let mut waiting = 0;
    for _ in 0..MAX_TURNS {
        tokio::task::yield_now().await;
        if std::mem::replace(&mut waiting, jobs.len()) == jobs.len() {
            break;
        }
    }
    let mut bytes = first.new.event.body.len();
    group.push(first);
    while group.len() < MAX_ROWS && bytes < MAX_BYTES {
        let Ok(next) = jobs.try_recv() else { break };
        bytes += next.new.event.body.len();
        group.push(next);
    }
    true
}

/// Commits a group, and tells each caller its own outcome. When the database refuses the group,
/// each is recorded by itself: one bad row does not fail its neighbours.
async fn commit(recorder: &mut Recorder, group: &mut Vec<Job>) {
    let events: Vec<&NewEvent> = group.iter().map(|job| &job.new).collect();
    match recorder.record(&events).await {
        Ok(recorded) => {
            for (job, recorded) in group.drain(..).zip(recorded.split()) {
                answer(job, Ok(recorded));
            }
        }
        Err(StoreError::Refused(_)) if group.len() > 1 => {
            for job in group.drain(..) {
                let alone = recorder.record(&[&job.new]).await;
                let alone = alone
                    .map_err(|error| explain(&error))
                    .and_then(|recorded| recorded.split().next().ok_or(NotStored::Unknown));
                answer(job, alone);
            }
        }
        Err(error) => {
            let why = explain(&error);
            for job in group.drain(..) {
                answer(job, Err(why));
            }
        }
    }
}

/// Logs why something is not known to be stored, and says which of the two it is.
pub(super) fn explain(error: &StoreError) -> NotStored {
    error!(error = error as &dyn std::error::Error, "could not commit");
    match error {
        StoreError::Refused(_) | StoreError::Inconsistent { .. } => NotStored::Refused,
        StoreError::Unavailable(_) | StoreError::LeaseLost(_) => NotStored::Unknown,
    }
}

fn answer(job: Job, outcome: Result<Committed<Recorded>, NotStored>) {
    // A caller that has gone does not need it.
    drop(job.reply.send(outcome));
}
