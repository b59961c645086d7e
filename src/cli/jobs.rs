//! `sealpost jobs`: look at jobs, and cancel them. They are planned and started by
//! `sealpost dead-letters replay | discard`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, block_on, caller, database, dossier};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::operator::{DeadLetters, Job, JobDetail, Jobs, Routing};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List jobs and plans, newest first; with `--format json` one JSON object a line.
    List(List),
    /// Show a job: its progress, and what became of what it made.
    Show(Show),
    /// Cancel a job: what it has done is done, and nothing more is.
    Cancel(Cancel),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those with a lower id: the next page.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The job's id.
    id: i64,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Cancel {
    /// The job's id.
    id: i64,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    let named = match command {
        Command::Cancel(cancel) => cancel.actor.as_deref(),
        Command::List(_) | Command::Show(_) => None,
    };
    // Before the database: this is about the command line.
    let caller = caller(named)?;
    let database = database::share(config)?;
    block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(config, database.target.clone());
        // It starts nothing: where replays go is not asked.
        let clock = Arc::new(SystemClock);
        let jobs = Jobs::new(DeadLetters::new(store.clone(), clock, Routing::default()));
        let exit = async {
            match command {
                Command::List(list) => {
                    let found = jobs.list(&caller, list.before, list.limit).await?;
                    if found.is_empty() {
                        return Ok(Exit::NothingMatched);
                    }
                    match list.format {
                        Format::Text => output::print(&table(&found))?,
                        Format::Json => {
                            let lines = found.iter().map(|job| output::json(&as_json(job)));
                            output::print(&lines.collect::<String>())?;
                        }
                    }
                    if let Some(last) = found.last().filter(|_| found.len() == list.limit as usize)
                    {
                        super::talk(&format!("there may be more: --before {}", last.id));
                    }
                }
                Command::Show(show) => {
                    let detail = jobs.show(&caller, show.id).await?;
                    match show.format {
                        Format::Text => output::print(&text(&detail))?,
                        Format::Json => output::print(&output::json(&detail_as_json(&detail)))?,
                    }
                }
                Command::Cancel(cancel) => {
                    let job = jobs.cancel(&caller, cancel.id, &cancel.reason).await?;
                    output::print(&format!(
                        "cancelled job {}; it had done {}\n",
                        job.id, job.resolved
                    ))?;
                }
            }
            Ok(Exit::Ok)
        };
        let exit = exit.await;
        store.close().await;
        exit
    })
}

fn as_json(job: &Job) -> Value {
    let time = |at: Option<time::OffsetDateTime>| at.map_or(Value::Null, output::rfc3339);
    json!({
        "id": job.id,
        "tenant": job.tenant,
        "action": job.action.as_str(),
        "target": job.target,
        "cap": job.cap,
        "rate": job.rate,
        "reason": job.reason,
        "matched": job.matched,
        "state": job.state.as_str(),
        "planned_at": output::rfc3339(job.planned_at),
        "planned_by": job.planned_by,
        "expires_at": output::rfc3339(job.expires_at),
        "started_at": time(job.started_at),
        "started_by": job.started_by,
        "finished_at": time(job.finished_at),
        "cancelled_by": job.cancelled_by,
        "failure": job.failure,
        "resolved": job.resolved,
        "created": job.created,
        "refused": job.refused,
        "refusals": job.refusals.iter()
            .map(|(id, why)| json!({ "id": id, "why": why }))
            .collect::<Vec<Value>>(),
    })
}

fn detail_as_json(detail: &JobDetail) -> Value {
    let fates = &detail.fates;
    json!({
        "job": as_json(&detail.job),
        "sample": detail.sample.iter().map(dossier::letter).collect::<Vec<Value>>(),
        "fates": { "done": fates.done, "dead": fates.dead, "waiting": fates.waiting },
    })
}

fn table(jobs: &[Job]) -> String {
    let now = SystemClock.now();
    let head =
        ["ID", "STATE", "ACTION", "DONE", "OF", "REFUSED", "PLANNED", "BY", "TARGET", "REASON"];
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            vec![
                job.id.to_string(),
                job.state.to_string(),
                job.action.as_str().to_owned(),
                job.resolved.to_string(),
                job.goal().to_string(),
                job.refused.to_string(),
                output::age(now - job.planned_at),
                job.planned_by.clone(),
                job.target.chars().take(60).collect(),
                job.reason.chars().take(60).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn text(detail: &JobDetail) -> String {
    let (job, fates) = (&detail.job, &detail.fates);
    let mut text = format!("Job {}\n", job.id);
    let mut field = |name: &str, value: &str| {
        let field = format!("  {name:<12} {}\n", output::line(value));
        text.push_str(&field);
    };
    let by = |at: time::OffsetDateTime, who: &str| format!("{}, by {who}", output::time(at));
    field("state", job.state.as_str());
    field("does", &format!("{} {}", job.action.as_str(), job.target));
    field("because", &job.reason);
    field("matched", &job.matched.to_string());
    field("planned", &by(job.planned_at, &job.planned_by));
    if let (Some(at), Some(who)) = (job.started_at, &job.started_by) {
        field("started", &by(at, who));
    }
    if let Some(at) = job.finished_at {
        field("ended", &output::time(at));
    }
    if let Some(who) = &job.cancelled_by {
        field("cancelled by", who);
    }
    if let Some(failure) = &job.failure {
        field("failure", failure);
    }
    field("resolved", &format!("{} of {}", job.resolved, job.goal()));
    field("created", &job.created.to_string());
    if fates.followed() > 0 {
        let fates = format!("{} done, {} dead, {} waiting", fates.done, fates.dead, fates.waiting);
        field("of those", &fates);
    }
    field("refused", &job.refused.to_string());
    for (id, why) in &job.refusals {
        field("", &format!("{id}: {why}"));
    }
    text.push_str("\nSome of what it is about\n");
    text.push_str(&super::dead_letters::table(&detail.sample));
    text
}
