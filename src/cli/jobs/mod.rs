//! `sealpost jobs`: bulk actions. A command such as `sealpost dead-letters replay` plans a job and
//! waits for its end; a job that is started here is run by a gateway.

mod plan;
mod progress;
mod text;

use super::Exit;
use super::actions::{OnJob, Perform};
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use crate::admin::Need;
pub(super) use plan::print_plan;
pub(super) use progress::run_here;
pub(super) use text::skipped;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Plan a job on dead letters: prints a preview; the job can be started within fifteen minutes.
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

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    let actor = match command {
        Command::Act(action) => return action.run(globals),
        Command::Plan(plan) => plan.job.actor.as_deref(),
        Command::List(_) | Command::Show(_) => None,
    };
    backend::with(globals, Need::Names, actor, async |backend| match command {
        Command::Plan(plan) => plan.run(backend).await,
        Command::List(list) => list.run(backend).await,
        Command::Show(show) => show.run(backend).await,
        // Run by itself.
        Command::Act(_) => Ok(Exit::Ok),
    })
}

impl List {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let found = backend.jobs(self.before, self.limit).await?;
        let exit = output::list(self.format, &found, text::table)?;
        super::print_next_page_hint(&found, self.limit, |last| last.id);
        Ok(exit)
    }
}

impl Show {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let detail = backend.job(self.id).await?;
        output::print_as(self.format, &text::text(&detail), &detail)?;
        Ok(Exit::Ok)
    }
}
