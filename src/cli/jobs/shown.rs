//! Prints jobs.

use serde_json::{Value, json};

use crate::admin::{Job, JobDetail};
use crate::cli::{dead_letters, delivery_detail, output, rejected_requests};
use crate::clock::{Clock, SystemClock};

pub(super) fn as_json(job: &Job) -> Value {
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
        "verifiable": job.verifiable,
        "goal": job.goal(),
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
            .map(|(id, why)| json!({ (subject(job)): id, "why": why }))
            .collect::<Vec<Value>>(),
    })
}

pub(super) fn detail_as_json(detail: &JobDetail) -> Value {
    let delivery_outcomes = &detail.delivery_outcomes;
    json!({
        "job": as_json(&detail.job),
        "sample": detail.sample.iter().map(delivery_detail::letter).collect::<Vec<Value>>(),
        "rejected_requests": detail.rejected_requests.iter()
            .map(rejected_requests::about)
            .collect::<Vec<Value>>(),
        "fates": {
            "done": delivery_outcomes.done,
            "dead": delivery_outcomes.dead,
            "waiting": delivery_outcomes.waiting,
        },
    })
}

pub(super) fn table(jobs: &[Job]) -> String {
    let now = SystemClock.now();
    let head =
        ["ID", "STATE", "ACTION", "DONE", "TOTAL", "SKIPPED", "PLANNED", "BY", "TARGET", "REASON"];
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

pub(super) fn text(detail: &JobDetail) -> String {
    let (job, delivery_outcomes) = (&detail.job, &detail.delivery_outcomes);
    let mut text = format!("Job {}\n", job.id);
    let mut field = |name: &str, value: &str| {
        let field = format!("  {name:<12} {}\n", output::line(value));
        text.push_str(&field);
    };
    let by = |at: time::OffsetDateTime, who: &str| format!("{}, by {who}", output::time(at));
    field("state", job.state.as_str());
    field("action", &format!("{} {}", job.action.verb(), job.target));
    field("reason", &job.reason);
    field("matched", &job.matched.to_string());
    if let Some(count) = job.verifiable {
        field("verifiable", &count.to_string());
    }
    field("planned", &by(job.planned_at, &job.planned_by));
    if let (Some(at), Some(who)) = (job.started_at, &job.started_by) {
        field("started", &by(at, who));
    }
    if let Some(at) = job.finished_at {
        field("finished", &output::time(at));
    }
    if let Some(who) = &job.cancelled_by {
        field("cancelled by", who);
    }
    if let Some(failure) = &job.failure {
        field("failure", failure);
    }
    field("resolved", &format!("{} of {}", job.resolved, job.goal()));
    field("created", &job.created.to_string());
    if delivery_outcomes.followed() > 0 {
        let delivery_outcomes = format!(
            "{} done, {} dead, {} waiting",
            delivery_outcomes.done, delivery_outcomes.dead, delivery_outcomes.waiting
        );
        field("outcome", &delivery_outcomes);
    }
    field("skipped", &job.refused.to_string());
    for (id, why) in &job.refusals {
        field("", &format!("{id}: {why}"));
    }
    text.push_str("\nSample\n");
    if job.action.is_about_rejected() {
        text.push_str(&rejected_requests::table(&detail.rejected_requests));
    } else {
        text.push_str(&dead_letters::table(&detail.sample));
    }
    text
}

/// JSON key of the ID of a skipped item.
fn subject(job: &Job) -> &'static str {
    if job.action.is_about_rejected() { "held" } else { "delivery" }
}
