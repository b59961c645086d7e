//! `sealpost dead-letters replay | discard`.

use serde_json::{Value, json};

use super::done::Done;
use super::table::table;
use super::{FilterArgs, progress};
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, dossier};
use crate::operator::{Action, Caller, DeadLetters, Jobs, OperatorError, Selection, Wish};

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
    /// These deliveries. Without ids and filters: every open dead letter.
    #[arg(value_name = "ID",
          conflicts_with_all = ["source", "handler", "death_reason", "older_than", "newer_than",
                               "group", "class", "event"])]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
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
    /// Do it, where there is more than one.
    #[arg(long)]
    yes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Act {
    fn selection(&self) -> Selection {
        if self.ids.is_empty() {
            Selection::Matching(self.filter.filter(false))
        } else {
            Selection::Ids(self.ids.clone())
        }
    }

    pub(super) async fn run(
        &self,
        desk: &DeadLetters,
        caller: &Caller,
        action: Action,
        force: bool,
    ) -> anyhow::Result<Exit> {
        if let [id] = self.ids[..] {
            let batch = desk.act(caller, action, id, &self.reason, force).await?;
            let done = Done::default().with(batch);
            done.print(action, self.format)?;
            return Ok(done.exit());
        }
        let jobs = Jobs::new(desk.clone());
        let wish = Wish {
            action,
            selection: self.selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force,
        };
        let plan = match jobs.plan(caller, &wish).await {
            Err(OperatorError::NotFound(_)) => return Ok(Exit::NothingMatched),
            plan => plan?,
        };
        if !self.yes && plan.job.matched > 1 {
            match self.format {
                Format::Text => output::print(&format!(
                    "would {} {}: {}\n{}",
                    action.as_str(),
                    plan.job.goal(),
                    output::line(&plan.job.target),
                    table(&plan.sample),
                ))?,
                Format::Json => output::print(&output::json(&json!({
                    "action": action.as_str(),
                    "dry_run": true,
                    "plan": plan.job.id,
                    "matched": plan.job.matched,
                    "sample": plan.sample.iter().map(dossier::letter).collect::<Vec<Value>>(),
                })))?,
            }
            cli::talk("nothing was done: --yes does it");
            return Ok(Exit::Ok);
        }
        let worker = jobs.start_here(caller, plan.job.id).await?;
        let (done, ended) = progress::work(&jobs, caller, &plan.job, worker).await;
        // Also when it broke off: what is done is done.
        done.print(action, self.format)?;
        ended?;
        for id in self.ids.iter().filter(|id| !done.knows(**id)) {
            cli::talk(&format!("there is no delivery {id}"));
        }
        Ok(done.exit())
    }
}
