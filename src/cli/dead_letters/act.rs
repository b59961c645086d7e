//! `sealpost dead-letters replay | discard`.

use serde_json::json;

use super::done::Done;
use super::table::table;
use super::{WhichArgs, progress};
use crate::admin::{Action, Admin, AdminError, BulkRequest, Caller, Jobs, Reason};
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit};

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

impl Act {
    pub(super) async fn run(
        &self,
        admin: &Admin,
        caller: &Caller,
        action: Action,
        force: bool,
    ) -> anyhow::Result<Exit> {
        if let [id] = self.which.ids[..] {
            let dead_letters = &admin.dead_letters;
            let reason = Reason::new(&self.reason)?;
            let batch = dead_letters.act(caller, action, id, &reason, force).await?;
            let done = Done::default().with(batch);
            done.print(action, self.format)?;
            return Ok(done.exit());
        }
        let jobs = &admin.jobs;
        let request = BulkRequest {
            action,
            selection: self.which.selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force,
        };
        if !self.yes {
            return self.show(jobs, caller, &request).await;
        }
        let plan = match jobs.plan(caller, &request).await {
            Err(AdminError::NotFound(_)) => return Ok(Exit::NothingMatched),
            plan => plan?,
        };
        let worker = jobs.start_here(caller, plan.job.id).await?;
        let (done, ended) = progress::work(jobs, caller, &plan.job, worker).await;
        // Print partial results if it failed.
        done.print(action, self.format)?;
        ended?;
        for id in self.which.ids.iter().filter(|id| !done.knows(**id)) {
            cli::talk(&format!("delivery {id} not found"));
        }
        Ok(done.exit())
    }

    /// Prints a preview. Nothing is changed or recorded.
    async fn show(
        &self,
        jobs: &Jobs,
        caller: &Caller,
        request: &BulkRequest,
    ) -> anyhow::Result<Exit> {
        let preview = match jobs.preview(caller, request).await {
            Err(AdminError::NotFound(_)) => return Ok(Exit::NothingMatched),
            preview => preview?,
        };
        let (matched, action) = (preview.matched, request.action.as_str());
        let goal = self.cap.map_or(matched, |cap| matched.min(cap.into()));
        match self.format {
            Format::Text => output::print(&format!(
                "would {action} {goal}: {}\n{}",
                output::line(&request.selection.to_string()),
                table(&preview.sample),
            ))?,
            Format::Json => output::print(&output::json(&json!({
                "action": action,
                "dry_run": true,
                "matched": matched,
                "sample": preview.sample,
            })))?,
        }
        cli::talk("nothing changed; pass --yes to apply");
        Ok(Exit::Ok)
    }
}
