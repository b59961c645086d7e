//! `sealpost jobs`: bulk replays and discards. `sealpost dead-letters replay | discard` plans a job
//! and runs it itself; a job that is started here is run by a gateway.

mod plan;
mod shown;

use super::dead_letters;
use super::output::{self, Format};
use super::{Exit, caller};
use crate::admin::Jobs;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Plan a job: prints a preview; the job can be started within fifteen minutes.
    Plan(plan::Plan),
    /// Start a planned job; a gateway runs it.
    Start(Start),
    /// List jobs and plans, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Show a job: its progress, and the outcome of the deliveries that it created.
    Show(Show),
    /// Cancel a job. Items that were already processed stay so.
    Cancel(Cancel),
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

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Job ID.
    id: i64,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Cancel {
    /// Job ID.
    id: i64,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    dead_letters::with(config, async |desk| {
        let jobs = Jobs::new(desk);
        match command {
            Command::Plan(plan) => plan.run(&jobs).await,
            Command::Start(start) => start.run(&jobs).await,
            Command::List(list) => list.run(&jobs).await,
            Command::Show(show) => show.run(&jobs).await,
            Command::Cancel(cancel) => cancel.run(&jobs).await,
        }
    })
}

impl Start {
    async fn run(&self, jobs: &Jobs) -> anyhow::Result<Exit> {
        let job = jobs.start(&caller(self.actor.as_deref())?, self.id).await?;
        let text = format!("started job {}: up to {} items\n", job.id, job.goal());
        output::print_as(self.format, &text, &shown::as_json(&job))?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, jobs: &Jobs) -> anyhow::Result<Exit> {
        let found = jobs.list(&caller(None)?, self.before, self.limit).await?;
        let Some(last) = found.last() else { return Ok(Exit::NothingMatched) };
        output::print(&match self.format {
            Format::Text => shown::table(&found),
            Format::Json => found.iter().map(|job| output::json(&shown::as_json(job))).collect(),
        })?;
        if found.len() == self.limit as usize {
            super::talk(&format!("there may be more results: --before {}", last.id));
        }
        Ok(Exit::Ok)
    }
}

impl Show {
    async fn run(&self, jobs: &Jobs) -> anyhow::Result<Exit> {
        let detail = jobs.show(&caller(None)?, self.id).await?;
        output::print_as(self.format, &shown::text(&detail), &shown::detail_as_json(&detail))?;
        Ok(Exit::Ok)
    }
}

impl Cancel {
    async fn run(&self, jobs: &Jobs) -> anyhow::Result<Exit> {
        let job = jobs.cancel(&caller(self.actor.as_deref())?, self.id, &self.reason).await?;
        let text = format!("cancelled job {}: {} items were processed\n", job.id, job.resolved);
        output::print_as(self.format, &text, &shown::as_json(&job))?;
        Ok(Exit::Ok)
    }
}
