//! `sealpost jobs plan`.

use super::shown;
use crate::admin::{Action, BulkRequest, Jobs};
use crate::cli::dead_letters::WhichArgs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, caller};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Plan {
    /// What is to be done.
    #[arg(value_enum)]
    action: BulkVerb,
    #[command(flatten)]
    which: WhichArgs,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// At most so many, the oldest first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cap: Option<u32>,
    /// At most so many in a second.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Replay also what is done or resolved; only by id.
    #[arg(long, requires = "ids")]
    force: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What is done about dead letters.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BulkVerb {
    Replay,
    Discard,
}

impl Plan {
    pub(super) async fn run(&self, jobs: &Jobs) -> anyhow::Result<Exit> {
        let wish = BulkRequest {
            action: match self.action {
                BulkVerb::Replay => Action::Replay,
                BulkVerb::Discard => Action::Discard,
            },
            selection: self.which.selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force: self.force,
        };
        let plan = jobs.plan(&caller(self.actor.as_deref())?, &wish).await?;
        output::print_as(self.format, &shown::text(&plan), &shown::detail_as_json(&plan))?;
        cli::talk(&format!("nothing was done: `sealpost jobs start {}` starts it", plan.job.id));
        Ok(Exit::Ok)
    }
}
