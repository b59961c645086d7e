//! Runs a job from the command line: shows its progress on a terminal, and cancels it when
//! interrupted.

use std::io::IsTerminal as _;

use time::OffsetDateTime;

use super::done::Done;
use crate::admin::{Caller, Job, Jobs, Reason, Step, Worker};
use crate::cli::interrupt::a_signal;
use crate::cli::{self, output};
use crate::clock::{Clock, SystemClock};

/// Runs the job; returns partial results if it fails.
pub(in crate::cli) async fn work(
    jobs: &Jobs,
    caller: &Caller,
    job: &Job,
    mut worker: Worker,
) -> (Done, anyhow::Result<()>) {
    let mut line = Line::of(job);
    let mut done = Done::default();
    let mut interrupted = std::pin::pin!(a_signal());
    let ended = loop {
        // A batch is never interrupted: signals are checked between batches.
        let step = worker.step().await;
        let wait = match step {
            Ok(Step::Did { batch, .. }) => {
                done = done.with(batch);
                line.show(&done);
                std::time::Duration::ZERO
            }
            Ok(Step::Paced(until)) => until_then(until),
            Ok(Step::Ended | Step::Idle) => break verdict(jobs, caller, job.id).await,
            Err(error) => break Err(error.into()),
        };
        tokio::select! {
            biased;
            signal = &mut interrupted => {
                break match signal {
                    Ok(()) => cancel(jobs, caller, job.id).await,
                    Err(error) => Err(error.into()),
                };
            }
            () = tokio::time::sleep(wait) => {}
        }
    };
    line.end();
    if ended.is_err() {
        worker.release().await;
    }
    (done, ended)
}

async fn cancel(jobs: &Jobs, caller: &Caller, id: i64) -> anyhow::Result<()> {
    jobs.cancel(caller, id, &Reason::new("interrupted")?).await?;
    anyhow::bail!("interrupted: job {id} is cancelled")
}

/// Whether the job succeeded.
async fn verdict(jobs: &Jobs, caller: &Caller, id: i64) -> anyhow::Result<()> {
    let job = jobs.show(caller, id).await?.job;
    match (&job.failure, &job.cancelled_by) {
        (Some(failure), _) => anyhow::bail!("job {id} failed: {}", output::line(failure)),
        (None, Some(who)) => anyhow::bail!("job {id} was cancelled by {}", output::line(who)),
        (None, None) if !job.has_ended() => anyhow::bail!("another process is running job {id}"),
        (None, None) => Ok(()),
    }
}

fn until_then(until: OffsetDateTime) -> std::time::Duration {
    (until - SystemClock.now()).try_into().unwrap_or_default()
}

/// A progress line on a terminal.
struct Line {
    goal: u64,
    shown: bool,
    is_terminal: bool,
}

impl Line {
    fn of(job: &Job) -> Self {
        Self { goal: job.goal, shown: false, is_terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, done: &Done) {
        if self.is_terminal {
            self.shown = true;
            cli::talk_over(&format!("{} of {}", done.seen(), self.goal));
        }
    }

    fn end(&self) {
        if self.shown {
            cli::talk("");
        }
    }
}
