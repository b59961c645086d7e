//! The page of one job: the plan, the progress or the outcome.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::{processed, state_badge};
use crate::admin::actions::{Noun, find_action};
use crate::admin::{Job, JobAction, JobDetail, JobState};
use crate::web::console::actions::form;
use crate::web::console::layout::{Head, PageContext, Section, note};
use crate::web::console::parts::{
    BadgeTone, TEXT, WIDE, button, command, count, number, panel, stamp, table, terms, visible,
};
use crate::web::console::{dead_letters, events, rejected_requests};

pub(in crate::web::console) fn page(cx: &PageContext, detail: &JobDetail) -> Markup {
    let job = &detail.job;
    let is_running = job.state == JobState::Running;
    let title = title(job);
    let head = Head {
        title: &title,
        lead: &job.target,
        section: Some(Section::Jobs),
        below: true,
        refresh: is_running.then_some(3),
        ..Head::default()
    };
    let live = is_running.then_some("2");
    cx.page(
        &head,
        &html! {
            @if job.state == JobState::Planned {
                (plan(cx, detail))
            } @else {
                div #live .stack data-live=[live] {
                    (progress(cx, detail))
                    (skipped(job))
                    (facts(cx, job))
                }
            }
            (panel("Command line", &html! {}, &html! { div .pad {
                (command("command", "Equivalent command", &format!("sealpost jobs show {}", job.id)))
            } }))
        },
    )
}

/// The page that asks for the reason of a cancellation.
pub(in crate::web::console) fn cancel(cx: &PageContext, job: &Job) -> Markup {
    let above = (format!("/jobs/{}", job.id), title(job));
    let is_plan = job.state == JobState::Planned;
    let head = Head {
        title: if is_plan { "Discard plan" } else { "Cancel job" },
        section: Some(Section::Jobs),
        within: Some(&above),
        ..Head::default()
    };
    let Some(action) = find_action(Noun::Job, "cancel") else { return html! {} };
    let form = form(cx, action, &job.id.to_string(), "cancel");
    cx.page(&head, &panel("Cancel", &html! { (visible(&job.target)) }, &form))
}

fn label(action: JobAction) -> &'static str {
    match action {
        JobAction::Replay => "Replay",
        JobAction::Resend => "Resend",
        JobAction::RetryNow => "Retry now",
        JobAction::ReprocessRejected => "Reprocess",
        JobAction::Discard | JobAction::DiscardRejected => "Discard",
    }
}

fn title(job: &Job) -> String {
    format!("{} {}", label(job.action), job.id)
}

/// The noun for one item of the job and for several.
fn nouns(action: JobAction) -> (&'static str, &'static str) {
    if action.is_about_rejected() {
        ("rejected request", "rejected requests")
    } else if action.is_about_events() {
        ("delivery", "deliveries")
    } else {
        ("dead letter", "dead letters")
    }
}

/// The dry run, and the button that starts the job.
fn plan(cx: &PageContext, detail: &JobDetail) -> Markup {
    let job = &detail.job;
    let path = format!("/jobs/{}", job.id);
    let class = match job.action {
        JobAction::Discard | JobAction::DiscardRejected => "risky",
        JobAction::Replay
        | JobAction::Resend
        | JobAction::RetryNow
        | JobAction::ReprocessRejected => "first",
    };
    let (one, several) = nouns(job.action);
    let shown = detail.sample.len() + detail.events.len() + detail.rejected_requests.len();
    html! {
        (note("dry run", BadgeTone::Calm, &html! {
            "Nothing has been changed yet. "
            @if job.counted_to.is_some() { "At least " }
            strong {
                (count(job.matched, one, several)) @if job.matched == 1 { " matches" } @else { " match" }
            }
            @if let Some(at) = job.counted_to { ", counted up to events of " (stamp(at, cx.now)) }
            @if let Some(verifiable) = job.verifiable { ", and " strong { (number(verifiable)) " would be accepted now" } }
            @if job.goal < job.matched { "; the oldest " (number(job.goal)) " would be processed" }
            ". The plan expires at " (stamp(job.expires_at, cx.now)) "."
        }))
        @if cx.may(job.action.scope()) {
            div .actions {
                (button(cx, &format!("{path}/start"), class, label(job.action)))
                a .button href={ (path) "/cancel" } { "Discard plan" }
            }
        }
        section .panel aria-labelledby="sample" {
            header { h2 #sample { "Sample" } p { (shown) " of " (number(job.matched)) ", oldest first" } }
            @if job.action.is_about_events() {
                (events::rows(cx, &detail.events))
            } @else if job.action.is_about_rejected() {
                (rejected_requests::rows(cx, &detail.rejected_requests))
            } @else {
                (dead_letters::rows(cx, &detail.sample))
            }
        }
        (facts(cx, job))
    }
}

fn progress(cx: &PageContext, detail: &JobDetail) -> Markup {
    let job = &detail.job;
    let done = processed(job);
    let may_cancel = job.state == JobState::Running && cx.may(job.action.scope());
    panel(
        "Progress",
        &html! { (number(done)) " of " (number(job.goal)) },
        &html! {
            div .pad { div .stack {
                div .actions {
                    (state_badge(job.state))
                    @if let Some(why) = &job.failure { span .said { (visible(why)) } }
                }
                progress max=(job.goal.max(1)) value=(done) aria-label="Progress" {}
                @if may_cancel {
                    div .actions { a .button.risky href={ "/jobs/" (job.id) "/cancel" } { "Cancel" } }
                }
            } }
            dl .figures {
                @for (outcome, number_of) in outcomes(detail) {
                    div { dt { (outcome) } dd { (number(number_of)) } }
                }
            }
        },
    )
}

fn outcomes(detail: &JobDetail) -> Vec<(&'static str, u64)> {
    let (job, deliveries) = (&detail.job, detail.delivery_outcomes);
    let mut outcomes = match job.action {
        JobAction::Replay => vec![
            ("Replayed", job.resolved),
            ("Done", deliveries.done.unsigned_abs()),
            ("Dead-lettered again", deliveries.dead.unsigned_abs()),
            ("In progress", deliveries.waiting.unsigned_abs()),
        ],
        JobAction::Resend => vec![
            ("Resent", job.resolved),
            ("Done", deliveries.done.unsigned_abs()),
            ("Dead-lettered", deliveries.dead.unsigned_abs()),
            ("In progress", deliveries.waiting.unsigned_abs()),
        ],
        JobAction::RetryNow => vec![("Made due", job.resolved)],
        JobAction::ReprocessRejected => vec![
            ("New events", job.created),
            ("Duplicates", job.resolved.saturating_sub(job.created)),
        ],
        JobAction::Discard | JobAction::DiscardRejected => vec![("Discarded", job.resolved)],
    };
    outcomes.push(("Skipped", job.skipped));
    outcomes
}

fn skipped(job: &Job) -> Markup {
    if job.skipped_items.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = job
        .skipped_items
        .iter()
        .map(|item| {
            let id = html! {
                @if let Some(delivery) = item.delivery { a href={ "/deliveries/" (delivery) } { (delivery) } }
                @else { (item.id()) }
            };
            vec![id, html! { (visible(&item.why)) }]
        })
        .collect();
    let columns = [(nouns(job.action).0, TEXT), ("Reason", WIDE)];
    panel("Skipped", &html! { "At most the first hundred" }, &table("Skipped", &columns, &rows))
}

fn facts(cx: &PageContext, job: &Job) -> Markup {
    let by = |who: &str, at: OffsetDateTime| html! { (stamp(at, cx.now)) " by " (visible(who)) };
    let started = job.started_by.as_deref().zip(job.started_at);
    panel(
        "Job",
        &html! {},
        &terms(&[
            ("Target", html! { (job.action.verb()) " " (visible(&job.target)) }),
            ("Reason", html! { (visible(&job.reason)) }),
            ("Limit", html! { @if let Some(cap) = job.cap { (number(cap)) } }),
            ("Rate per second", html! { @if let Some(rate) = job.rate { (number(rate)) } }),
            ("Planned", by(&job.planned_by, job.planned_at)),
            ("Started", html! { @if let Some((who, at)) = started { (by(who, at)) } }),
            ("Cancelled by", html! { @if let Some(who) = &job.cancelled_by { (visible(who)) } }),
            ("Ended", html! { @if let Some(at) = job.finished_at { (stamp(at, cx.now)) } }),
        ]),
    )
}
