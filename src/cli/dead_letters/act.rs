//! `sealpost dead-letters replay | discard`.

use serde_json::{Value, json};

use super::done::Done;
use super::table::table;
use super::{WhichArgs, progress};
use crate::admin::{Action, AdminError, BulkRequest, Caller, DeadLetters, Jobs};
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, delivery_detail};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    pub(super) act: Act,
    /// Also what is done or resolved; only by id.
    #[arg(long, requires = "ids")]
    pub(super) force: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Act {
    #[command(flatten)]
    which: WhichArgs,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) actor: Option<String>,
    /// At most so many, the oldest first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cap: Option<u32>,
    /// At most so many in a second.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Do it. Without it, all but a single delivery that is named is only shown.
    #[arg(long)]
    yes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Act {
    pub(super) async fn run(
        &self,
        desk: &DeadLetters,
        caller: &Caller,
        action: Action,
        force: bool,
    ) -> anyhow::Result<Exit> {
        if let [id] = self.which.ids[..] {
            let batch = desk.act(caller, action, id, &self.reason, force).await?;
            let done = Done::default().with(batch);
            done.print(action, self.format)?;
            return Ok(done.exit());
        }
        let jobs = Jobs::new(desk.clone());
        let wish = BulkRequest {
            action,
            selection: self.which.selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force,
        };
        if !self.yes {
            return self.show(&jobs, caller, &wish).await;
        }
        let plan = match jobs.plan(caller, &wish).await {
            Err(AdminError::NotFound(_)) => return Ok(Exit::NothingMatched),
            plan => plan?,
        };
        let worker = jobs.start_here(caller, plan.job.id).await?;
        let (done, ended) = progress::work(&jobs, caller, &plan.job, worker).await;
        // Also when it broke off: what is done is done.
        done.print(action, self.format)?;
        ended?;
        for id in self.which.ids.iter().filter(|id| !done.knows(**id)) {
            cli::talk(&format!("there is no delivery {id}"));
        }
        Ok(done.exit())
    }

    /// What would be done. Nothing is, and nothing is written down.
    async fn show(&self, jobs: &Jobs, caller: &Caller, wish: &BulkRequest) -> anyhow::Result<Exit> {
        let rehearsed = match jobs.preview(caller, wish).await {
            Err(AdminError::NotFound(_)) => return Ok(Exit::NothingMatched),
            rehearsed => rehearsed?,
        };
        let (matched, action) = (rehearsed.matched, wish.action.as_str());
        let goal = self.cap.map_or(matched, |cap| matched.min(cap.into()));
        match self.format {
            Format::Text => output::print(&format!(
                "would {action} {goal}: {}\n{}",
                output::line(&wish.selection.to_string()),
                table(&rehearsed.sample),
            ))?,
            Format::Json => output::print(&output::json(&json!({
                "action": action,
                "dry_run": true,
                "matched": matched,
                "sample": rehearsed.sample.iter().map(delivery_detail::letter).collect::<Vec<Value>>(),
            })))?,
        }
        cli::talk("nothing was done: --yes does it");
        Ok(Exit::Ok)
    }
}
