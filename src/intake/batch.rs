//! Group commit: requests that arrive while a commit is under way are recorded together by the
//! next one. There is no timer: a lone request is recorded at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::store::{Committed, NewEvent, Recorded, Store, StoreError};

/// The most events in one statement.
const MAX_ROWS: usize = 256;
/// A group takes no further event once its bodies have this many bytes together.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Larger bodies go by a writer of their own, so that they hold up no small ones.
const SMALL: usize = 64 * 1024;
/// How many writers take small bodies: while one waits for the disk, another prepares the next
/// group.
const SMALL_WRITERS: usize = 2;
/// How many requests may wait for a writer. Beyond it the answer is 503 at once.
const QUEUE: usize = 4096;
/// How long a request waits for its commit before the answer is 503.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Records events in groups.
#[derive(Debug, Clone)]
pub struct Batch {
    small: mpsc::Sender<Job>,
    large: mpsc::Sender<Job>,
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
        let writers = |name: &'static str, count: usize| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            let receiver = Arc::new(Mutex::new(receiver));
            for _ in 0..count {
                let (store, committed) = (store.clone(), Arc::clone(committed));
                tasks.spawn(write(name, store, Arc::clone(&receiver), committed));
            }
            sender
        };
        Self { small: writers("small", SMALL_WRITERS), large: writers("large", 1) }
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

async fn write(
    name: &'static str,
    store: Store,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    committed: Arc<dyn Fn() + Send + Sync>,
) {
    let mut group = Vec::with_capacity(MAX_ROWS);
    while gather(&jobs, &mut group).await {
        // Who waited too long was answered 503 already and will send it again.
        let now = Instant::now();
        group.retain(|job| job.until > now);
        if group.is_empty() {
            continue;
        }
        metrics::histogram!("sealpost_batch_events", "writer" => name)
            .record(u32::try_from(group.len()).unwrap_or(u32::MAX));
        commit(&store, &mut group).await;
        committed();
    }
}

/// Takes what is there, or waits for the first to come; false when nothing will come any more.
async fn gather(jobs: &Mutex<mpsc::Receiver<Job>>, group: &mut Vec<Job>) -> bool {
    let mut jobs = jobs.lock().await;
    let Some(first) = jobs.recv().await else { return false };
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
async fn commit(store: &Store, group: &mut Vec<Job>) {
    let events: Vec<&NewEvent> = group.iter().map(|job| &job.new).collect();
    match store.record(&events).await {
        Ok(recorded) => {
            for (job, recorded) in group.drain(..).zip(recorded.split()) {
                answer(job, Ok(recorded));
            }
        }
        Err(StoreError::Refused(_)) if group.len() > 1 => {
            for job in group.drain(..) {
                let alone = store.record(&[&job.new]).await;
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
