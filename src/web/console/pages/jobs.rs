//! Jobs: what is done about many dead letters. Planned first, which is the dry run; then under way,
//! where it can be cancelled; then done, with what became of each.

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
    /// What one of them is called, and several.
    pub(in crate::web::console) things: (&'static str, &'static str),
    /// What its starting needs.
    pub(in crate::web::console) scope: Scope,
    /// What it acts on, in words.
    pub(in crate::web::console) target: String,
    /// The state's stored word.
    pub(in crate::web::console) state: &'static str,
    /// Whether it can be begun.
    pub(in crate::web::console) is_plan: bool,
    /// Whether it is worked on.
    pub(in crate::web::console) is_running: bool,
    /// How many matched when it was planned.
    pub(in crate::web::console) matched: u64,
    /// How many of those would have been let in then, where that is what it does.
    pub(in crate::web::console) verifiable: Option<u64>,
    /// How many of those it deals with.
    pub(in crate::web::console) goal: u64,
    /// How many are dealt with.
    pub(in crate::web::console) done: u64,
    /// Who planned it, and when.
    pub(in crate::web::console) planned: (String, OffsetDateTime),
    /// Who began it, and when.
    pub(in crate::web::console) started: Option<(String, OffsetDateTime)>,
    /// Who cancelled it.
    pub(in crate::web::console) cancelled_by: Option<String>,
    /// Why it is done.
    pub(in crate::web::console) reason: String,
    /// When it ended.
    pub(in crate::web::console) finished_at: Option<OffsetDateTime>,
    /// Why it cannot go on.
    pub(in crate::web::console) failure: Option<String>,
    /// The most that it acts on.
    pub(in crate::web::console) cap: Option<u64>,
    /// The most that it acts on in a second.
    pub(in crate::web::console) rate: Option<u32>,
}

/// One job.
pub(in crate::web::console) struct One {
    /// The job.
    pub(in crate::web::console) job: Job,
    /// Until when a plan can be begun.
    pub(in crate::web::console) until: OffsetDateTime,
    /// Some of what it is about.
    pub(in crate::web::console) sample: Vec<dead_letters::Row>,
    /// The same, where it is about held requests.
    pub(in crate::web::console) rejected_requests: Vec<rejected_requests::Row>,
    /// What became of how many.
    pub(in crate::web::console) outcomes: Vec<(&'static str, u64)>,
    /// About which nothing was done, and why: the first hundred.
    pub(in crate::web::console) refusals: Vec<(i64, String)>,
    /// The same on the command line.
    pub(in crate::web::console) command: String,
}

/// A job that is to be planned.
pub(in crate::web::console) struct New {
    /// `replay` or `discard`.
    pub(in crate::web::console) action: &'static str,
    /// What it acts on, in words.
    pub(in crate::web::console) target: String,
    /// How many match now.
    pub(in crate::web::console) matched: u64,
    /// The same, as fields of the form.
    pub(in crate::web::console) fields: Vec<(&'static str, String)>,
}

/// The page with all of them.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Jobs",
        lead: "What is done about many dead letters or held requests at once.",
        section: Some(Section::Jobs),
        refresh: Some(10),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Jobs" #list data-live="5" {
                @if view.rows.is_empty() {
                    (empty("No jobs", "Plan one from a group of dead letters, or from the held requests."))
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
        ("What", WIDE),
        ("State", TEXT),
        ("Done", NUMBER),
        ("Of", NUMBER),
        ("Who", TEXT),
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

/// The page on which one is planned.
pub(in crate::web::console) fn new(cx: &PageContext, view: &New) -> Markup {
    let head = Head {
        title: "Plan a job",
        lead: &view.target,
        section: Some(Section::Jobs),
        below: true,
        ..Head::default()
    };
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let actions = [choice("replay", "Replay them"), choice("discard", "Discard them")];
    cx.page(&head, &html! {
        (panel("What to do", &html! {
            (count(view.matched, "dead letter matches", "dead letters match")) " now"
        }, &post(cx, "/jobs", "form", &html! {
            @for (name, value) in &view.fields { input type="hidden" name=(name) value=(value); }
            (select("action", "action", "Action", &actions, view.action))
            div .grid {
                (field("cap", "At most", "The oldest first; empty for all", &html! {
                    input #cap name="cap" type="number" min="1" max="4000000000"
                          aria-describedby="cap-hint";
                }))
                (field("rate", "In a second", "So that what receives them keeps up; empty for no limit", &html! {
                    input #rate name="rate" type="number" min="1" max="100000"
                          aria-describedby="rate-hint";
                }))
            }
            (field("reason", "Reason", "It is written to the audit log.", &html! {
                input #reason name="reason" required maxlength="500" autocomplete="off"
                      aria-describedby="reason-hint";
            }))
            p .muted { "The next page is a dry run: it shows what would be done, and nothing is." }
            div .actions { button .first { "Plan it" } }
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
            (panel("As a command", &html! {}, &html! { div .pad {
                (command("command", "The same on the command line", &view.command))
            } }))
        },
    )
}

/// The page that asks why one is cancelled.
pub(in crate::web::console) fn cancel(cx: &PageContext, job: &Job) -> Markup {
    let above = (format!("/jobs/{}", job.id), title(job));
    let head = Head {
        title: if job.is_plan { "Drop the plan" } else { "Cancel the job" },
        section: Some(Section::Jobs),
        within: Some(&above),
        ..Head::default()
    };
    let says = "What is done is done; after the present batch nothing more is.";
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
        "verify" => "Verify",
        _ => "Replay",
    };
    format!("{verb} {}", job.id)
}

/// The dry run, and what begins it.
fn plan(cx: &PageContext, view: &One) -> Markup {
    let job = &view.job;
    let act = format!("/jobs/{}", job.id);
    let (class, label) = match job.action {
        "discard" => ("risky", "Discard them"),
        "verify" => ("first", "Verify them"),
        _ => ("first", "Replay them"),
    };
    let (one, several) = job.things;
    let shown = view.sample.len() + view.rejected_requests.len();
    html! {
        (note("dry run", BadgeTone::Calm, &html! {
            "Nothing is done yet. "
            strong {
                (count(job.matched, one, several)) @if job.matched == 1 { " matches" } @else { " match" }
            }
            @if let Some(verifiable) = job.verifiable { ", and " strong { (number(verifiable)) " would be let in now" } }
            @if job.goal < job.matched { ": the oldest " (number(job.goal)) " would be dealt with" }
            ". The plan can be begun until " (stamp(view.until, cx.now)) "."
        }))
        @if cx.may(job.scope) {
            div .actions {
                (button(cx, &format!("{act}/start"), class, label))
                a .button href={ (act) "/cancel" } { "Drop the plan" }
            }
        }
        section .panel aria-labelledby="sample" {
            header { h2 #sample { "Sample" } p { (shown) " of " (number(job.matched)) ", the oldest first" } }
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
    let columns = [(job.things.0, TEXT), ("Why nothing was done", WIDE)];
    panel("Refused", &html! { "The first hundred at most" }, &table("Refused", &columns, &rows))
}

fn facts(cx: &PageContext, job: &Job) -> Markup {
    let by = |by: &(String, OffsetDateTime)| html! { (stamp(by.1, cx.now)) " by " (said(&by.0)) };
    panel(
        "Job",
        &html! {},
        &terms(&[
            ("What", html! { (job.action) " " (said(&job.target)) }),
            ("Reason", html! { (said(&job.reason)) }),
            ("At most", html! { @if let Some(cap) = job.cap { (number(cap)) } }),
            ("In a second", html! { @if let Some(rate) = job.rate { (number(rate)) } }),
            ("Planned", by(&job.planned)),
            ("Began", html! { @if let Some(started) = &job.started { (by(started)) } }),
            ("Cancelled by", html! { @if let Some(who) = &job.cancelled_by { (said(who)) } }),
            ("Ended", html! { @if let Some(at) = job.finished_at { (stamp(at, cx.now)) } }),
        ]),
    )
}
