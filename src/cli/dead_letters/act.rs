//! `sealpost dead-letters replay | discard`.

use serde::Serialize;

use super::WhichArgs;
use super::table::table;
use crate::admin::actions::{Noun, find_action};
use crate::admin::{Action, BulkPreview, BulkRequest, Job};
use crate::cli::actions::{ActionArgs, perform};
use crate::cli::backend::{self, Backend};
use crate::cli::globals::GlobalArgs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, jobs};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    pub(super) act: Act,
    /// Also replay deliveries that succeeded or are resolved; requires IDs.
    #[arg(long, requires = "ids")]
    pub(super) force: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Act {
    #[command(flatten)]
    which: WhichArgs,
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
    /// Apply the change. Without it, anything but a single ID is only previewed.
    #[arg(long)]
    yes: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A preview, as one JSON document.
#[derive(Serialize)]
struct Output<'a> {
    action: Action,
    dry_run: bool,
    #[serde(flatten)]
    preview: &'a BulkPreview,
}

impl Act {
    pub(super) async fn run(
        &self,
        backend: &Backend,
        globals: &GlobalArgs,
        action: Action,
        force: bool,
    ) -> anyhow::Result<Exit> {
        if let ([id], Some(action)) =
            (&self.which.ids[..], find_action(Noun::DeadLetter, action.as_str()))
        {
            let args = ActionArgs {
                id: id.to_string(),
                reason: Some(self.reason.clone()),
                option: force,
                actor: self.actor.clone(),
                format: self.format,
            };
            return perform(backend, action, &args, globals).await;
        }
        let request = BulkRequest {
            action,
            selection: self.which.selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force,
        };
        if !self.yes {
            return self.preview(backend, &request).await;
        }
        let Some(plan) = backend::found(backend.plan(&request).await)? else {
            return Ok(Exit::NothingMatched);
        };
        let (job, ended) = jobs::run_here(backend, &plan.job).await?;
        // Print partial results if it failed.
        output::print_as(self.format, &done(action, &job), &job)?;
        ended?;
        self.mention_missing(&job);
        Ok(if job.skipped == 0 { Exit::Ok } else { Exit::Failed })
    }

    /// Prints a preview. Nothing is changed or recorded.
    async fn preview(&self, backend: &Backend, request: &BulkRequest) -> anyhow::Result<Exit> {
        let Some(preview) = backend::found(backend.preview(request).await)? else {
            return Ok(Exit::NothingMatched);
        };
        let action = request.action;
        let goal = self.cap.map_or(preview.matched, |cap| preview.matched.min(cap.into()));
        let text = format!(
            "would {action} {goal}: {}\n{}",
            output::line(&request.selection.to_string()),
            table(&preview.sample),
        );
        let dry_run = Output { action, dry_run: true, preview: &preview };
        output::print_as(self.format, &text, &dry_run)?;
        cli::talk("nothing changed; pass --yes to apply");
        Ok(Exit::Ok)
    }

    /// Mentions that some of the given IDs do not exist.
    fn mention_missing(&self, job: &Job) {
        let given: std::collections::BTreeSet<i64> = self.which.ids.iter().copied().collect();
        let missing = u64::try_from(given.len()).unwrap_or_default().saturating_sub(job.matched);
        if missing > 0 {
            cli::talk(&format!("{missing} of {} deliveries not found", given.len()));
        }
    }
}

/// What a job did, in words.
fn done(action: Action, job: &Job) -> String {
    let mut text = format!("{} {} of {}", action.resolution(), job.resolved, job.goal);
    if action == Action::Replay {
        let new = format!("; new deliveries: {}", job.created);
        text.push_str(&new);
    }
    text.push('\n');
    text.push_str(&jobs::skipped(job, "skipped"));
    text
}
