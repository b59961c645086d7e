//! Supervises background tasks: a task that ends unexpectedly is logged, counted, makes the gateway
//! not ready, and is restarted; one that keeps failing shuts the process down with a failure exit
//! code.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

/// Delay before a restart; it doubles with each one.
const PAUSE: Duration = Duration::from_secs(1);
/// Number of restarts within [`WINDOW`] before a task is given up.
const RESTARTS: usize = 5;
/// Time after which a restart no longer counts.
const WINDOW: Duration = Duration::from_mins(10);

/// Supervises background tasks. Clones share their state.
#[derive(Debug, Clone)]
pub struct Supervisor {
    tasks: TaskTracker,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    down: Mutex<Vec<&'static str>>,
    gave_up: CancellationToken,
}

impl Supervisor {
    /// Runs its tasks on `tasks`.
    pub fn new(tasks: TaskTracker) -> Self {
        Self { tasks, state: Arc::default() }
    }

    /// The same, for tasks that are waited for elsewhere.
    #[must_use]
    pub fn on(&self, tasks: TaskTracker) -> Self {
        Self { tasks, state: Arc::clone(&self.state) }
    }

    /// Runs a task that ends only after `stop`. `work` creates it at every start.
    pub fn run<F>(
        &self,
        name: &'static str,
        stop: &CancellationToken,
        work: impl Fn() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (state, stop) = (Arc::clone(&self.state), stop.clone());
        self.tasks.spawn(async move {
            let mut ends = VecDeque::new();
            loop {
                let ended = AssertUnwindSafe(work()).catch_unwind().await;
                if ended.is_ok() && stop.is_cancelled() {
                    return;
                }
                state.set_down(name);
                let times = note(&mut ends, Instant::now());
                if times > RESTARTS {
                    error!(task = name, times, "background task keeps failing, shutting down");
                    state.gave_up.cancel();
                    return;
                }
                let pause = PAUSE * 2_u32.pow(u32::try_from(times).unwrap_or(0).saturating_sub(1));
                error!(
                    task = name,
                    panicked = ended.is_err(),
                    again_in_s = pause.as_secs(),
                    "background task ended unexpectedly, restarting it"
                );
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                info!(task = name, "background task restarted");
                state.set_up(name);
            }
        });
    }

    /// Runs a task that ends by itself and cannot be restarted: if it panics, the gateway shuts
    /// down.
    pub fn keep(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let state = Arc::clone(&self.state);
        self.tasks.spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                error!(task = name, panicked = true, "background task panicked, shutting down");
                state.set_down(name);
                state.gave_up.cancel();
            }
        });
    }

    /// Marks a task as lost, for example because its thread has ended.
    pub fn lost(&self, name: &'static str) {
        self.state.set_down(name);
    }

    /// A task that should be running and is not.
    pub fn down(&self) -> Option<&'static str> {
        let down = self.state.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.first().copied()
    }

    /// Waits until a task is given up.
    pub async fn gave_up(&self) {
        self.state.gave_up.cancelled().await;
    }

    pub fn has_given_up(&self) -> bool {
        self.state.gave_up.is_cancelled()
    }
}

impl State {
    fn set_down(&self, name: &'static str) {
        metrics::counter!("sealpost_task_ends_total", "task" => name).increment(1);
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if !down.contains(&name) {
            down.push(name);
        }
    }

    fn set_up(&self, name: &'static str) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.retain(|known| *known != name);
    }
}

/// Records an end; returns the number within the window.
fn note(ends: &mut VecDeque<Instant>, now: Instant) -> usize {
    ends.push_back(now);
    while ends.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
        ends.pop_front();
    }
    ends.len()
}

/// Runs one item of a task that continues after a panic; `None` if it panicked, which is logged and
/// counted.
pub async fn caught<T>(name: &'static str, work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await.ok();
    if done.is_none() {
        error!(task = name, "panic in a background task, continuing with its next item");
        metrics::counter!("sealpost_task_ends_total", "task" => name).increment(1);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn supervisor() -> (Supervisor, TaskTracker, CancellationToken) {
        let tasks = TaskTracker::new();
        (Supervisor::new(tasks.clone()), tasks, CancellationToken::new())
    }

    /// Lets every task run until it waits.
    async fn settle() {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_task_is_down_until_it_is_restarted() {
        let (supervisor, _tasks, stop) = supervisor();
        let starts = Arc::new(AtomicUsize::new(0));
        let (counted, until) = (Arc::clone(&starts), stop.clone());
        supervisor.run("the loop", &stop, move || {
            let (start, until) = (counted.fetch_add(1, Ordering::SeqCst), until.clone());
            async move {
                match start {
                    0 => panic!("a canary"),
                    1 => {}
                    _ => until.cancelled().await,
                }
            }
        });
        settle().await;
        assert_eq!(supervisor.down(), Some("the loop"), "it panicked");
        tokio::time::sleep(PAUSE).await;
        settle().await;
        assert_eq!((supervisor.down(), starts.load(Ordering::SeqCst)), (Some("the loop"), 2));
        tokio::time::sleep(PAUSE * 2).await;
        settle().await;
        assert_eq!((supervisor.down(), starts.load(Ordering::SeqCst)), (None, 3));
        assert!(!supervisor.has_given_up());
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_keeps_failing_is_given_up() {
        let (supervisor, tasks, stop) = supervisor();
        supervisor.run("the loop", &stop, || async {});
        supervisor.gave_up().await;
        assert_eq!(supervisor.down(), Some("the loop"));
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn ending_after_stop_is_not_a_failure() {
        let (supervisor, tasks, stop) = supervisor();
        let until = stop.clone();
        supervisor.run("the loop", &stop, move || {
            let until = until.clone();
            async move { until.cancelled().await }
        });
        settle().await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        assert_eq!(supervisor.down(), None);
    }

    #[tokio::test]
    async fn panic_of_a_kept_task_stops_the_gateway() {
        let (supervisor, tasks, _) = supervisor();
        supervisor.keep("a writer", async { panic!("a canary") });
        supervisor.keep("another", async {});
        tasks.close();
        tasks.wait().await;
        assert!(supervisor.has_given_up());
        assert_eq!(supervisor.down(), Some("a writer"));
        assert_eq!(caught("a piece", async { panic!("a canary") }).await, None::<()>);
        assert_eq!(caught("a piece", async { 1 }).await, Some(1));
    }
}
