//! `sealpost jobs plan`.

use super::text;
use crate::admin::{DeadLetterAction, JobDetail};
use crate::cli::backend::{self, Backend};
use crate::cli::dead_letters::JobArgs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Plan {
    /// Action to apply.
    #[arg(value_enum)]
    action: BulkVerb,
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Also replay deliveries that succeeded or are resolved; requires IDs.
    #[arg(long, requires = "ids")]
    force: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// An action on dead letters.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BulkVerb {
    Replay,
    Discard,
}

impl Plan {
    pub(super) async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let action = match self.action {
            BulkVerb::Replay => DeadLetterAction::Replay,
            BulkVerb::Discard => DeadLetterAction::Discard,
        };
        let request = self.job.request(action, self.force);
        let Some(plan) = backend::found(backend.plan(&request).await)? else {
            return backend.nothing_selected(&request.selection).await;
        };
        print_plan(&plan, self.format)?;
        Ok(Exit::Ok)
    }
}

/// Prints a plan, and how to start it.
pub(in crate::cli) fn print_plan(plan: &JobDetail, format: Format) -> std::io::Result<()> {
    output::print_as(format, &text::text(plan), plan)?;
    let id = plan.job.id;
    cli::print_message(&format!("nothing changed; start the job with `sealpost jobs start {id}`"));
    Ok(())
}
