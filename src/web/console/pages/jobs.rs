//! Jobs: bulk actions on dead letters or rejected requests. A job is planned (the dry run), then
//! started and can be cancelled, then shows its outcome.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, Choice, NUMBER, Pager, TEXT, WIDE, button, command, confirm, count, empty, field,
    number, pager, panel, post, said, select, stamp, table, terms, when, word,
};
use super::{dead_letters, rejected_requests};
use crate::admin::Scope;

/// The list.
pub(in crate::web::console) struct View {
    /// Jobs, newest first.
    pub(in crate::web::console) rows: Vec<Job>,
    /// Where this page is.
    pub(in crate::web::console) pager: Pager,
}

/// A job.
pub(in crate::web::console) struct Job {
    /// Its id.
    pub(in crate::web::console) id: i64,
    /// `replay`, `verify` or `discard`.
    pub(in crate::web::console) action: &'static str,
    /// The noun for one item and for several.
    pub(in crate::web::console) things: (&'static str, &'static str),
    /// The scope that starting it requires.
    pub(in crate::web::console) scope: Scope,
    /// The selection, in words.
    pub(in crate::web::console) target: String,
    /// The state: a stored value.
    pub(in crate::web::console) state: &'static str,
    /// Whether it is planned and can be started.
    pub(in crate::web::console) is_plan: bool,
    /// Whether it is running.
    pub(in crate::web::console) is_running: bool,
    /// The number of matches at planning time.
    pub(in crate::web::console) matched: u64,
    /// How many of those passed verification at planning time, for a reprocessing job.
    pub(in crate::web::console) verifiable: Option<u64>,
    /// How many of those it processes.
    pub(in crate::web::console) goal: u64,
    /// How many are processed.
    pub(in crate::web::console) done: u64,
    /// Who planned it, and when.
    pub(in crate::web::console) planned: (String, OffsetDateTime),
    /// Who started it, and when.
    pub(in crate::web::console) started: Option<(String, OffsetDateTime)>,
    /// Who cancelled it.
    pub(in crate::web::console) cancelled_by: Option<String>,
    /// The reason given.
    pub(in crate::web::console) reason: String,
    /// When it ended.
    pub(in crate::web::console) finished_at: Option<OffsetDateTime>,
    /// Why it failed.
    pub(in crate::web::console) failure: Option<String>,
    /// The maximum number of items.
    pub(in crate::web::console) cap: Option<u64>,
    /// The maximum number of items per second.
    pub(in crate::web::console) rate: Option<u32>,
}

/// One job.
pub(in crate::web::console) struct One {
    /// The job.
    pub(in crate::web::console) job: Job,
    /// When the plan expires.
    pub(in crate::web::console) until: OffsetDateTime,
    /// A sample of the dead letters.
    pub(in crate::web::console) sample: Vec<dead_letters::Row>,
    /// A sample of the rejected requests.
    pub(in crate::web::console) rejected_requests: Vec<rejected_requests::Row>,
    /// Outcomes and counts.
    pub(in crate::web::console) outcomes: Vec<(&'static str, u64)>,
    /// The items that were skipped, and why: the first hundred.
    pub(in crate::web::console) refusals: Vec<(i64, String)>,
    /// The equivalent command.
    pub(in crate::web::console) command: String,
}

/// The form that plans a job.
pub(in crate::web::console) struct New {
    /// `replay` or `discard`.
    pub(in crate::web::console) action: &'static str,
    /// The selection, in words.
    pub(in crate::web::console) target: String,
    /// The number of current matches.
    pub(in crate::web::console) matched: u64,
    /// The selection, as form fields.
    pub(in crate::web::console) fields: Vec<(&'static str, String)>,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Jobs",
        lead: "Bulk actions on dead letters and rejected requests.",
        section: Some(Section::Jobs),
        refresh: Some(10),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Jobs" #list data-live="5" {
                @if view.rows.is_empty() {
                    (empty("No jobs", "Plan a job from a group of dead letters or from the rejected requests."))
                } @else {
                    (list(cx, &view.rows))
                    (pager(&view.pager))
                }
            }
        },
    )
}

fn list(cx: &PageContext, rows: &[Job]) -> Markup {
    let columns = [
        ("Job", TEXT),
        ("Target", WIDE),
        ("State", TEXT),
        ("Done", NUMBER),
        ("Total", NUMBER),
        ("Planned by", TEXT),
        ("Planned", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|job| {
            vec![
                html! { a href={ "/jobs/" (job.id) } { (job.action) " " (job.id) } },
                html! { (said(&job.target)) span .under { (said(&job.reason)) } },
                word(job.state, tone(job.state)),
                html! { (number(job.done)) },
                html! { (number(job.goal)) },
                html! { span .said { (said(&job.planned.0)) } },
                when(job.planned.1, cx.now),
            ]
        })
        .collect();
    table("Jobs", &columns, &rows)
}

fn tone(state: &str) -> BadgeTone {
    match state {
        "cancelled" => BadgeTone::Warn,
        other => BadgeTone::of(other),
    }
}

/// The page that plans a job.
pub(in crate::web::console) fn new(cx: &PageContext, view: &New) -> Markup {
    let head = Head {
        title: "Plan a job",
        lead: &view.target,
        section: Some(Section::Jobs),
        below: true,
        ..Head::default()
    };
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let actions = [choice("replay", "Replay"), choice("discard", "Discard")];
    cx.page(&head, &html! {
        (panel("Job", &html! {
            (count(view.matched, "dead letter matches", "dead letters match")) " now"
        }, &post(cx, "/jobs", "form", &html! {
            @for (name, value) in &view.fields { input type="hidden" name=(name) value=(value); }
            (select("action", "action", "Action", &actions, view.action))
            div .grid {
                (field("cap", "Limit", "Oldest first; empty for all", &html! {
                    input #cap name="cap" type="number" min="1" max="4000000000"
                          aria-describedby="cap-hint";
                }))
                (field("rate", "Rate per second", "Protects the receiver; empty for no limit", &html! {
                    input #rate name="rate" type="number" min="1" max="100000"
                          aria-describedby="rate-hint";
                }))
            }
            (field("reason", "Reason", "Recorded in the audit log.", &html! {
                input #reason name="reason" required maxlength="500" autocomplete="off"
                      aria-describedby="reason-hint";
            }))
            p .muted { "The next page is a dry run: it shows what would be done. Nothing is changed until you start the job." }
            div .actions { button .first { "Plan job" } }
        })))
    })
}

/// The page with one.
pub(in crate::web::console) fn one(cx: &PageContext, view: &One) -> Markup {
    let job = &view.job;
    let title = title(job);
    let head = Head {
        title: &title,
        lead: &job.target,
        section: Some(Section::Jobs),
        below: true,
        refresh: job.is_running.then_some(3),
        ..Head::default()
    };
    let live = job.is_running.then_some("2");
    cx.page(
        &head,
        &html! {
            @if job.is_plan {
                (plan(cx, view))
            } @else {
                div #live .stack data-live=[live] {
                    (progress(cx, view))
                    (refusals(job, &view.refusals))
                    (facts(cx, job))
                }
            }
            (panel("Command line", &html! {}, &html! { div .pad {
                (command("command", "Equivalent command", &view.command))
            } }))
        },
    )
}

/// The page that asks for the reason of a cancellation.
pub(in crate::web::console) fn cancel(cx: &PageContext, job: &Job) -> Markup {
    let above = (format!("/jobs/{}", job.id), title(job));
    let head = Head {
        title: if job.is_plan { "Discard plan" } else { "Cancel job" },
        section: Some(Section::Jobs),
        within: Some(&above),
        ..Head::default()
    };
    let says = "Stops the job after the current batch. Completed work is not undone.";
    cx.page(
        &head,
        &html! {
            (panel("Cancel", &html! { (said(&job.target)) }, &confirm(
                cx, "cancel", &format!("/jobs/{}/cancel", job.id), says, ("risky", head.title),
            )))
        },
    )
}

fn title(job: &Job) -> String {
    let verb = match job.action {
        "discard" => "Discard",
        "verify" => "Reprocess",
        _ => "Replay",
    };
    format!("{verb} {}", job.id)
}

/// The dry run, and the button that starts the job.
fn plan(cx: &PageContext, view: &One) -> Markup {
    let job = &view.job;
    let act = format!("/jobs/{}", job.id);
    let (class, label) = match job.action {
        "discard" => ("risky", "Discard"),
        "verify" => ("first", "Reprocess"),
        _ => ("first", "Replay"),
    };
    let (one, several) = job.things;
    let shown = view.sample.len() + view.rejected_requests.len();
    html! {
        (note("dry run", BadgeTone::Calm, &html! {
            "Nothing has been changed yet. "
            strong {
                (count(job.matched, one, several)) @if job.matched == 1 { " matches" } @else { " match" }
            }
            @if let Some(verifiable) = job.verifiable { ", and " strong { (number(verifiable)) " would be accepted now" } }
            @if job.goal < job.matched { "; the oldest " (number(job.goal)) " would be processed" }
            ". The plan expires at " (stamp(view.until, cx.now)) "."
        }))
        @if cx.may(job.scope) {
            div .actions {
                (button(cx, &format!("{act}/start"), class, label))
                a .button href={ (act) "/cancel" } { "Discard plan" }
            }
        }
        section .panel aria-labelledby="sample" {
            header { h2 #sample { "Sample" } p { (shown) " of " (number(job.matched)) ", oldest first" } }
            @if job.scope == Scope::SecretsWrite {
                (rejected_requests::list(cx, &view.rejected_requests))
            } @else {
                (dead_letters::list(cx, &view.sample))
            }
        }
        (facts(cx, job))
    }
}

fn progress(cx: &PageContext, view: &One) -> Markup {
    let job = &view.job;
    panel(
        "Progress",
        &html! { (number(job.done)) " of " (number(job.goal)) },
        &html! {
            div .pad { div .stack {
                div .actions {
                    (word(job.state, tone(job.state)))
                    @if let Some(why) = &job.failure { span .said { (said(why)) } }
                }
                progress max=(job.goal.max(1)) value=(job.done) aria-label="Progress" {}
                @if job.is_running && cx.may(job.scope) {
                    div .actions { a .button.risky href={ "/jobs/" (job.id) "/cancel" } { "Cancel" } }
                }
            } }
            dl .figures {
                @for (outcome, number_of) in &view.outcomes {
                    div { dt { (outcome) } dd { (number(*number_of)) } }
                }
            }
        },
    )
}

fn refusals(job: &Job, refusals: &[(i64, String)]) -> Markup {
    if refusals.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = refusals
        .iter()
        .map(|(id, why)| {
            let id = html! {
                @if job.scope == Scope::SecretsWrite { (id) }
                @else { a href={ "/deliveries/" (id) } { (id) } }
            };
            vec![id, html! { (said(why)) }]
        })
        .collect();
    let columns = [(job.things.0, TEXT), ("Reason", WIDE)];
    panel("Skipped", &html! { "At most the first hundred" }, &table("Skipped", &columns, &rows))
}

fn facts(cx: &PageContext, job: &Job) -> Markup {
    let by = |by: &(String, OffsetDateTime)| html! { (stamp(by.1, cx.now)) " by " (said(&by.0)) };
    panel(
        "Job",
        &html! {},
        &terms(&[
            ("Target", html! { (job.action) " " (said(&job.target)) }),
            ("Reason", html! { (said(&job.reason)) }),
            ("Limit", html! { @if let Some(cap) = job.cap { (number(cap)) } }),
            ("Rate per second", html! { @if let Some(rate) = job.rate { (number(rate)) } }),
            ("Planned", by(&job.planned)),
            ("Started", html! { @if let Some(started) = &job.started { (by(started)) } }),
            ("Cancelled by", html! { @if let Some(who) = &job.cancelled_by { (said(who)) } }),
            ("Ended", html! { @if let Some(at) = job.finished_at { (stamp(at, cx.now)) } }),
        ]),
    )
}
