//! Bulk actions on rejected requests: plans a job and runs it.

use serde_json::{Value, json};

use super::{about, table};
use crate::admin::{AdminError, Caller, JobDetail, Jobs, RejectedAction, RejectedBulkRequest};
use crate::cli::dead_letters::progress;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit};

#[derive(Debug, clap::Args)]
pub(super) struct Many {
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

impl Many {
    pub(super) async fn run(
        &self,
        action: RejectedAction,
        reason: &str,
        format: Format,
        (jobs, caller): (&Jobs, &Caller),
    ) -> anyhow::Result<Exit> {
        let request = RejectedBulkRequest {
            action,
            source: self.source.clone(),
            cap: self.cap,
            rate: self.rate,
            reason: reason.to_owned(),
        };
        let plan = match jobs.plan_rejected(caller, &request).await {
            Err(AdminError::NotFound(_)) => return Ok(Exit::NothingMatched),
            plan => plan?,
        };
        if !self.yes {
            output::print_as(format, &would(&plan), &as_json(&plan))?;
            cli::talk("nothing changed; pass --yes to apply");
            return Ok(Exit::Ok);
        }
        let worker = jobs.start_here(caller, plan.job.id).await?;
        let (done, ended) = progress::work(jobs, caller, &plan.job, worker).await;
        let job = jobs.show(caller, plan.job.id).await?.job;
        let verb = if action == RejectedAction::Verify { "accepted" } else { "discarded" };
        let mut text = format!("{verb} {} of {}", job.resolved, job.goal());
        if action == RejectedAction::Verify {
            let known = job.resolved.saturating_sub(job.created);
            text = format!("{text}; new events: {}, duplicates: {known}", job.created);
        }
        text.push('\n');
        for (number, why) in &job.refusals {
            let line = format!("skipped, number {number}: {}\n", output::line(why));
            text.push_str(&line);
        }
        let json = json!({
            "action": job.action.as_str(), "dry_run": false, "job": job.id,
            "resolved": job.resolved, "created": job.created, "refused": job.refused,
            "refusals": job.refusals.iter()
                .map(|(number, why)| json!({ "number": number, "why": why }))
                .collect::<Vec<Value>>(),
        });
        output::print_as(format, &text, &json)?;
        ended?;
        Ok(if done.seen() > 0 && job.refused == 0 { Exit::Ok } else { Exit::Failed })
    }
}

fn would(plan: &JobDetail) -> String {
    let job = &plan.job;
    let pauses = job.verifiable.map_or(String::new(), |count| {
        format!("; {count} of {} would be accepted now", job.matched)
    });
    format!(
        "would {} {}: {}{pauses}\n{}",
        job.action.verb(),
        job.goal(),
        output::line(&job.target),
        table(&plan.rejected_requests),
    )
}

fn as_json(plan: &JobDetail) -> Value {
    json!({
        "action": plan.job.action.as_str(), "dry_run": true, "plan": plan.job.id,
        "matched": plan.job.matched, "verifiable": plan.job.verifiable,
        "sample": plan.rejected_requests.iter().map(about).collect::<Vec<Value>>(),
    })
}
