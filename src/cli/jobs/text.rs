//! Jobs as text.

use crate::admin::{Job, JobDetail};
use crate::cli::{dead_letters, event_table, output, rejected_requests};
use crate::clock::{Clock, SystemClock};

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
                job.goal.to_string(),
                job.skipped.to_string(),
                output::age(now - job.planned_at),
                job.planned_by.clone(),
                job.target.chars().take(60).collect(),
                job.reason.chars().take(60).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

/// The skipped items, one on each line.
pub(in crate::cli) fn skipped(job: &Job, label: &str) -> String {
    let mut text = String::new();
    for item in &job.skipped_items {
        let line = format!("{label} {}: {}\n", item.id(), output::line(&item.why));
        text.push_str(&line);
    }
    let listed = u64::try_from(job.skipped_items.len()).unwrap_or_default();
    if job.skipped > listed {
        let more = format!("{} more skipped\n", job.skipped - listed);
        text.push_str(&more);
    }
    text
}

/// The number of matches, as far as they were counted.
fn matched(job: &Job) -> String {
    match job.counted_to {
        Some(at) => format!("at least {}, counted up to {}", job.matched, output::time(at)),
        None => job.matched.to_string(),
    }
}

pub(super) fn text(detail: &JobDetail) -> String {
    let (job, outcomes) = (&detail.job, &detail.delivery_outcomes);
    let mut text = format!("Job {}\n", job.id);
    let mut field = |name: &str, value: &str| {
        let field = format!("  {name:<12} {}\n", output::line(value));
        text.push_str(&field);
    };
    let by = |at: time::OffsetDateTime, who: &str| format!("{}, by {who}", output::time(at));
    field("state", job.state.as_str());
    field("action", &format!("{} {}", job.action.verb(), job.target));
    field("reason", &job.reason);
    field("matched", &matched(job));
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
    field("resolved", &format!("{} of {}", job.resolved, job.goal));
    field("created", &job.created.to_string());
    if outcomes.counted() > 0 {
        let (done, dead, waiting) = (outcomes.done, outcomes.dead, outcomes.waiting);
        field("outcome", &format!("{done} done, {dead} dead, {waiting} waiting"));
    }
    field("skipped", &job.skipped.to_string());
    for item in &job.skipped_items {
        field("", &format!("{}: {}", item.id(), item.why));
    }
    text.push_str("\nSample\n");
    if job.action.is_about_events() {
        text.push_str(&event_table::table(&detail.events));
        text.push_str(&output::more(detail.events.len(), job.goal));
    } else if job.action.is_about_rejected() {
        text.push_str(&rejected_requests::table(&detail.rejected_requests));
        text.push_str(&output::more(detail.rejected_requests.len(), job.goal));
    } else {
        text.push_str(&dead_letters::table(&detail.sample));
        text.push_str(&output::more(detail.sample.len(), job.goal));
    }
    text
}
