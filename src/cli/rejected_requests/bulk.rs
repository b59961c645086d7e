//! Bulk actions on rejected requests: plans a job and runs it.

use super::table;
use crate::admin::{JobDetail, RejectedAction, RejectedBulkRequest};
use crate::cli::backend::{self, Backend};
use crate::cli::jobs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit};

#[derive(Debug, clap::Args)]
pub(super) struct BulkArgs {
    /// With --all: only this source.
    #[arg(long, value_name = "NAME", requires = "all")]
    source: Option<String>,
    /// With --all: maximum number to process, oldest first.
    #[arg(long, value_name = "COUNT", requires = "all",
          value_parser = clap::value_parser!(u32).range(1..))]
    cap: Option<u32>,
    /// With --all: maximum number per second.
    #[arg(long, value_name = "COUNT", requires = "all",
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// With --all: apply the change.
    #[arg(long, requires = "all")]
    yes: bool,
}

impl BulkArgs {
    pub(super) async fn run(
        &self,
        action: RejectedAction,
        reason: &str,
        format: Format,
        backend: &Backend,
    ) -> anyhow::Result<Exit> {
        let request = RejectedBulkRequest {
            action,
            source: self.source.clone(),
            cap: self.cap,
            rate: self.rate,
            reason: reason.to_owned(),
        };
        let Some(plan) = backend::found(backend.plan_rejected(&request).await)? else {
            return backend.nothing_matched(self.source.as_deref(), None).await;
        };
        if !self.yes {
            output::print_as(format, &preview(&plan), &plan)?;
            cli::print_message("nothing changed; pass --yes to apply");
            return Ok(Exit::Ok);
        }
        let (job, ended) = jobs::run_here(backend, &plan.job).await?;
        let verb = if action == RejectedAction::Reprocess { "accepted" } else { "discarded" };
        let mut text = format!("{verb} {} of {}", job.resolved, job.goal);
        if action == RejectedAction::Reprocess {
            let duplicates = job.resolved.saturating_sub(job.created);
            text = format!("{text}; new events: {}, duplicates: {duplicates}", job.created);
        }
        text.push('\n');
        text.push_str(&jobs::skipped(&job, "skipped, number"));
        output::print_as(format, &text, &job)?;
        ended?;
        Ok(if job.resolved > 0 && job.skipped == 0 { Exit::Ok } else { Exit::Failed })
    }
}

fn preview(plan: &JobDetail) -> String {
    let job = &plan.job;
    let verifiable = job.verifiable.map_or(String::new(), |count| {
        format!("; {count} of {} would be accepted now", job.matched)
    });
    format!(
        "would {} {}: {}{verifiable}\n{}{}",
        job.action.verb(),
        job.goal,
        output::line(&job.target),
        table(&plan.rejected_requests),
        output::more(plan.rejected_requests.len(), job.goal),
    )
}
