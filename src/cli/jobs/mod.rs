//! `sealpost jobs`: bulk replays and discards. `sealpost dead-letters replay | discard` plans a job
//! and runs it itself; a job that is started here is run by a gateway.

mod plan;
mod shown;

use std::path::Path;

use super::actions::{OnJob, Perform};
use super::output::{self, Format};
use super::{Exit, database};
use crate::admin::{Caller, Jobs, Need};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Plan a job: prints a preview; the job can be started within fifteen minutes.
    Plan(plan::Plan),
    /// List jobs and plans, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Show a job: its progress, and the outcome of the deliveries that it created.
    Show(Show),
    #[command(flatten)]
    Act(Perform<OnJob>),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only IDs below this one (next page).
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Job ID.
    id: i64,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let actor = match command {
        Command::Act(action) => return action.run(config),
        Command::Plan(plan) => plan.actor.as_deref(),
        Command::List(_) | Command::Show(_) => None,
    };
    database::with_admin(config, Need::Names, actor, async |admin, caller| match command {
        Command::Plan(plan) => plan.run(&admin.jobs, caller).await,
        Command::List(list) => list.run(&admin.jobs, caller).await,
        Command::Show(show) => show.run(&admin.jobs, caller).await,
        // Run by itself.
        Command::Act(_) => Ok(Exit::Ok),
    })
}

impl List {
    async fn run(&self, jobs: &Jobs, caller: &Caller) -> anyhow::Result<Exit> {
        let found = jobs.list(caller, self.before, self.limit).await?;
        let Some(last) = found.last() else { return Ok(Exit::NothingMatched) };
        output::print(&match self.format {
            Format::Text => shown::table(&found),
            Format::Json => found.iter().map(output::json).collect(),
        })?;
        if found.len() == self.limit as usize {
            super::talk(&format!("there may be more results: --before {}", last.id));
        }
        Ok(Exit::Ok)
    }
}

impl Show {
    async fn run(&self, jobs: &Jobs, caller: &Caller) -> anyhow::Result<Exit> {
        let detail = jobs.show(caller, self.id).await?;
        output::print_as(self.format, &shown::text(&detail), &detail)?;
        Ok(Exit::Ok)
    }
}
