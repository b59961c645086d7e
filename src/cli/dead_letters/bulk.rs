//! `sealpost dead-letters replay | discard`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::JobArgs;
use super::table::table;
use crate::admin::actions::{Noun, find_action};
use crate::admin::{BulkPreview, BulkRequest, DeadLetterAction, Job, Selection};
use crate::cli::actions::{ActionArgs, perform};
use crate::cli::backend::{self, Backend};
use crate::cli::globals::GlobalArgs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, jobs};

/// The number of given IDs that are looked up to name those that do not exist.
const LOOKED_UP: usize = 100;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    pub(super) bulk: BulkArgs,
    /// Also replay deliveries that succeeded or are resolved; requires IDs.
    #[arg(long, requires = "ids")]
    pub(super) force: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct BulkArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
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
    action: DeadLetterAction,
    dry_run: bool,
    #[serde(flatten)]
    preview: &'a BulkPreview,
}

impl BulkArgs {
    pub(super) async fn run(
        &self,
        backend: &Backend,
        globals: &GlobalArgs,
        action: DeadLetterAction,
        force: bool,
    ) -> anyhow::Result<Exit> {
        if let ([id], Some(action)) =
            (&self.job.selection.ids[..], find_action(Noun::DeadLetter, action.as_str()))
        {
            let args = ActionArgs {
                id: id.to_string(),
                reason: Some(self.job.reason.clone()),
                option: force,
                value: None,
                actor: self.job.actor.clone(),
                format: self.format,
            };
            return perform(backend, action, &args, globals).await;
        }
        let request = self.job.request(action, force);
        if !self.yes {
            return self.preview(backend, &request).await;
        }
        let Some(plan) = backend::found(backend.plan(&request).await)? else {
            return backend.nothing_selected(&request.selection).await;
        };
        let (job, ended) = jobs::run_here(backend, &plan.job).await?;
        // Print partial results if it failed.
        output::print_as(self.format, &done(action, &job), &job)?;
        ended?;
        let all_found = self.all_found(backend, &request, job.matched).await;
        Ok(if job.skipped == 0 && all_found { Exit::Ok } else { Exit::Failed })
    }

    /// Prints a preview. Nothing is changed or recorded.
    async fn preview(&self, backend: &Backend, request: &BulkRequest) -> anyhow::Result<Exit> {
        let Some(preview) = backend::found(backend.preview(request).await)? else {
            return backend.nothing_selected(&request.selection).await;
        };
        let action = request.action;
        let goal = self.job.cap.map_or(preview.matched, |cap| preview.matched.min(cap.into()));
        let of =
            if goal < preview.matched { format!(" of {}", preview.matched) } else { String::new() };
        let text = format!(
            "would {action} {goal}{of}: {}\n{}{}",
            output::line(&request.selection.to_string()),
            table(&preview.sample),
            output::more(preview.sample.len(), goal),
        );
        let dry_run = Output { action, dry_run: true, preview: &preview };
        output::print_as(self.format, &text, &dry_run)?;
        let all_found = self.all_found(backend, request, preview.matched).await;
        cli::print_message("nothing changed; pass --yes to apply");
        Ok(if all_found { Exit::Ok } else { Exit::Failed })
    }

    /// Whether all given IDs exist; names those that do not.
    async fn all_found(&self, backend: &Backend, request: &BulkRequest, matched: u64) -> bool {
        let given: BTreeSet<i64> = self.job.selection.ids.iter().copied().collect();
        let missing = u64::try_from(given.len()).unwrap_or_default().saturating_sub(matched);
        if missing == 0 {
            return true;
        }
        let mut names = Vec::new();
        for id in given.iter().take(LOOKED_UP) {
            // A preview, since showing a delivery reads its payload, which is audited.
            let one = BulkRequest { selection: Selection::Ids(vec![*id]), ..request.clone() };
            if matches!(backend::found(backend.preview(&one).await), Ok(None)) {
                names.push(id.to_string());
            }
        }
        let names =
            if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        cli::print_message(&format!("{missing} of {} deliveries not found{names}", given.len()));
        false
    }
}

/// What a job did, in words.
fn done(action: DeadLetterAction, job: &Job) -> String {
    let mut text = format!("{} {} of {}", action.resolution(), job.resolved, job.goal);
    if action == DeadLetterAction::Replay {
        let new = format!("; new deliveries: {}", job.created);
        text.push_str(&new);
    }
    text.push('\n');
    text.push_str(&jobs::skipped(job, "skipped"));
    text
}
