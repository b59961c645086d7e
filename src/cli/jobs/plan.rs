//! `sealpost jobs plan`.

use super::text;
use crate::admin::{BulkRequest, DeadLetterAction};
use crate::cli::backend::Backend;
use crate::cli::dead_letters::SelectionArgs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Plan {
    /// Action to apply.
    #[arg(value_enum)]
    action: BulkVerb,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) actor: Option<String>,
    /// Maximum number to process, oldest first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cap: Option<u32>,
    /// Maximum number per second.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
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
        let request = BulkRequest {
            action: match self.action {
                BulkVerb::Replay => DeadLetterAction::Replay,
                BulkVerb::Discard => DeadLetterAction::Discard,
            },
            selection: self.selection.to_selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force: self.force,
        };
        let plan = backend.plan(&request).await?;
        output::print_as(self.format, &text::text(&plan), &plan)?;
        let id = plan.job.id;
        cli::print_message(&format!(
            "nothing changed; start the job with `sealpost jobs start {id}`"
        ));
        Ok(Exit::Ok)
    }
}
