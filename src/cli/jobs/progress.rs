//! Runs a planned job to its end, and shows its progress on a terminal.

use std::io::IsTerminal as _;

use crate::admin::Job;
use crate::cli;
use crate::cli::backend::Backend;

/// Starts a job and waits for its end. Returns the job as it is then, and why it did not succeed.
pub(in crate::cli) async fn run_here(
    backend: &Backend,
    plan: &Job,
) -> anyhow::Result<(Job, anyhow::Result<()>)> {
    let mut line = Line::new(plan.goal);
    let ended = backend.run_job(plan, |count| line.show(count)).await;
    line.end();
    match backend.job(plan.id).await {
        Ok(detail) => Ok((detail.job, ended)),
        // Why the job failed says more than that it cannot be shown.
        Err(error) => Err(ended.err().unwrap_or(error)),
    }
}

/// A progress line on a terminal.
struct Line {
    goal: u64,
    shown: bool,
    is_terminal: bool,
}

impl Line {
    fn new(goal: u64) -> Self {
        Self { goal, shown: false, is_terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, count: u64) {
        if self.is_terminal {
            self.shown = true;
            cli::overwrite_message(&format!("{count} of {}", self.goal));
        }
    }

    fn end(&self) {
        if self.shown {
            cli::print_message("");
        }
    }
}
