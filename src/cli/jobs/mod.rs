//! `sealpost jobs`: replaying or discarding many. `sealpost dead-letters replay | discard` plans a
//! job and works it off itself; one that is started here is worked off by a gateway.

mod plan;
mod shown;

use super::dead_letters;
use super::output::{self, Format};
use super::{Exit, caller};
use crate::admin::Jobs;
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Plan a job: a dry run that says what it would do, and can be started for fifteen minutes.
    Plan(plan::Plan),
    /// Start a planned job; a gateway works it off.
    Start(Start),
    /// List jobs and plans, newest first; with `--format json` one JSON object a line.
    List(List),
    /// Show a job: its progress, and what became of what it made.
    Show(Show),
    /// Cancel a job: what it has done is done, and nothing more is.
    Cancel(Cancel),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those with a lower id: the next page.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The job's id.
    id: i64,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// The job's id.
    id: i64,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Cancel {
    /// The job's id.
    id: i64,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// How to print.
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
        let text = format!("started job {}: it does at most {}\n", job.id, job.goal());
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
            super::talk(&format!("there may be more: --before {}", last.id));
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
        let text = format!("cancelled job {}; it had done {}\n", job.id, job.resolved);
        output::print_as(self.format, &text, &shown::as_json(&job))?;
        Ok(Exit::Ok)
    }
}
