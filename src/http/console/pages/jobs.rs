//! Jobs: what is done about many dead letters. Planned first, which is the dry run; then under way,
//! where it can be cancelled; then done, with what became of each.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::frame::{Head, Section, Stage, note};
use super::super::parts::{
    NUMBER, Pager, TEXT, Tone, WIDE, button, command, count, empty, field, number, pager, panel,
    post, said, stamp, table, terms, when, word,
};
use super::dead_letters;

/// The list.
pub(in crate::http::console) struct View {
    /// Jobs, newest first.
    pub(in crate::http::console) rows: Vec<Job>,
    /// Where this page is.
    pub(in crate::http::console) pager: Pager,
}

/// A job.
pub(in crate::http::console) struct Job {
    /// Its id.
    pub(in crate::http::console) id: String,
    /// `replay` or `discard`.
    pub(in crate::http::console) action: String,
    /// What it acts on, in words.
    pub(in crate::http::console) target: String,
    /// The state's stored word.
    pub(in crate::http::console) state: String,
    /// How many match.
    pub(in crate::http::console) total: u64,
    /// How many are dealt with.
    pub(in crate::http::console) done: u64,
    /// Who planned it.
    pub(in crate::http::console) actor: String,
    /// Why, once it has begun.
    pub(in crate::http::console) reason: Option<String>,
    /// When it was planned.
    pub(in crate::http::console) created_at: OffsetDateTime,
    /// When it began.
    pub(in crate::http::console) started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub(in crate::http::console) finished_at: Option<OffsetDateTime>,
    /// The most that it acts on.
    pub(in crate::http::console) cap: Option<u64>,
    /// The most that it acts on in a second.
    pub(in crate::http::console) rate: Option<u64>,
}

/// One job.
pub(in crate::http::console) struct One {
    /// The job.
    pub(in crate::http::console) job: Job,
    /// Until when a plan can be begun.
    pub(in crate::http::console) until: Option<OffsetDateTime>,
    /// Some of what a plan would act on.
    pub(in crate::http::console) sample: Vec<dead_letters::Row>,
    /// What became of how many: words and numbers.
    pub(in crate::http::console) outcomes: Vec<(String, u64)>,
    /// The same on the command line.
    pub(in crate::http::console) command: Option<String>,
}

/// The page with all of them.
pub(in crate::http::console) fn page(stage: &Stage, view: &View) -> Markup {
    let head = Head {
        title: "Jobs",
        lead: "Replays and discards of many dead letters at once.",
        section: Some(Section::Jobs),
        refresh: Some(10),
        ..Head::default()
    };
    stage.page(
        &head,
        &html! {
            section .panel aria-label="Jobs" #list data-live="5" {
                @if view.rows.is_empty() {
                    (empty("No jobs", "Plan one from a group or a filter of dead letters."))
                } @else {
                    (list(stage, &view.rows))
                    (pager(&view.pager))
                }
            }
        },
    )
}

fn list(stage: &Stage, rows: &[Job]) -> Markup {
    let columns = [
        ("Job", TEXT),
        ("What", WIDE),
        ("State", TEXT),
        ("Done", NUMBER),
        ("Of", NUMBER),
        ("Who", TEXT),
        ("Planned", NUMBER),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|job| vec![
        html! { a href={ "/jobs/" (super::super::parts::link_path(&job.id)) } { (said(&job.action)) " " (said(&job.id)) } },
        html! { (said(&job.target)) @if let Some(reason) = &job.reason { span .under { (said(reason)) } } },
        word(&job.state, tone(&job.state)),
        html! { (number(job.done)) },
        html! { (number(job.total)) },
        html! { span .said { (said(&job.actor)) } },
        when(job.created_at, stage.now),
    ]).collect();
    table("Jobs", &columns, &rows)
}

fn tone(state: &str) -> Tone {
    match state {
        "cancelled" | "cancelling" => Tone::Warn,
        other => Tone::of(other),
    }
}

/// The page with one.
pub(in crate::http::console) fn one(stage: &Stage, view: &One) -> Markup {
    let job = &view.job;
    let title =
        format!("{} {}", if job.action == "discard" { "Discard" } else { "Replay" }, job.id);
    let under_way = job.started_at.is_some() && job.finished_at.is_none();
    let head = Head {
        title: &title,
        lead: &job.target,
        section: Some(Section::Jobs),
        below: true,
        refresh: under_way.then_some(3),
        ..Head::default()
    };
    let live = under_way.then_some("2");
    stage.page(&head, &html! {
        @if job.started_at.is_none() && job.finished_at.is_none() {
            (plan(stage, view))
        } @else {
            div #job .stack data-live=[live] {
                (progress(stage, view))
                (facts(stage, view))
            }
        }
        @if let Some(text) = &view.command {
            (panel("As a command", &html! {}, &html! { div .pad { (command("command", "The same on the command line", text)) } }))
        }
    })
}

/// The dry run, and what begins it.
fn plan(stage: &Stage, view: &One) -> Markup {
    let job = &view.job;
    let act = format!("/jobs/{}", super::super::parts::link_path(&job.id));
    let (class, label) =
        if job.action == "discard" { ("risky", "Discard them") } else { ("first", "Replay them") };
    html! {
        (note("dry run", Tone::Calm, &html! {
            "Nothing is done yet. " strong { (count(job.total, "dead letter matches", "dead letters match")) } "."
            @if let Some(until) = view.until { " The plan can be begun until " (stamp(until, stage.now)) "." }
        }))
        div .beside {
            section .panel aria-labelledby="sample" {
                header { h2 #sample { "Sample" } p { (view.sample.len()) " of " (number(job.total)) } }
                @if view.sample.is_empty() { (empty("Nothing matches", "There is nothing to do.")) }
                @else { (dead_letters::list(stage, &view.sample)) }
            }
            (panel("Begin", &html! {}, &html! {
                (post(stage, &format!("{act}/start"), "form", &html! {
                    div .grid {
                        (field("cap", "At most", "How many are acted on", &html! {
                            input #cap name="cap" type="number" min="1" max=(job.total) value=(job.total) aria-describedby="cap-hint";
                        }))
                        (field("rate", "In a second", "So that what receives them keeps up", &html! {
                            input #rate name="rate" type="number" min="1" max="1000" value="50" aria-describedby="rate-hint";
                        }))
                    }
                    (field("reason", "Reason", "It is written to the audit log.", &html! {
                        input #reason name="reason" required maxlength="500" autocomplete="off" aria-describedby="reason-hint";
                    }))
                    div .actions { button class=(class) disabled[job.total == 0] { (label) } }
                }))
                div .pad { (button(stage, &format!("{act}/cancel"), "", "Drop the plan")) }
            }))
        }
    }
}

fn progress(stage: &Stage, view: &One) -> Markup {
    let job = &view.job;
    let all = job.cap.unwrap_or(job.total).min(job.total);
    let under_way = job.finished_at.is_none();
    panel(
        "Progress",
        &html! { (number(job.done)) " of " (number(all)) },
        &html! {
            div .pad { div .stack {
                div .actions { (word(&job.state, tone(&job.state))) }
                progress max=(all.max(1)) value=(job.done) aria-label="Progress" {}
                @if under_way {
                    (button(stage, &format!("/jobs/{}/cancel", super::super::parts::link_path(&job.id)), "risky", "Cancel"))
                }
            } }
            @if !view.outcomes.is_empty() {
                dl .figures {
                    @for (outcome, number_of) in &view.outcomes {
                        div { dt { (said(outcome)) } dd { (number(*number_of)) } }
                    }
                }
            }
        },
    )
}

fn facts(stage: &Stage, view: &One) -> Markup {
    let job = &view.job;
    let at =
        |at: Option<OffsetDateTime>| html! { @if let Some(at) = at { (stamp(at, stage.now)) } };
    panel(
        "Job",
        &html! {},
        &terms(&[
            ("What", html! { (said(&job.action)) " " (said(&job.target)) }),
            ("Who", html! { (said(&job.actor)) }),
            ("Reason", html! { @if let Some(reason) = &job.reason { (said(reason)) } }),
            ("At most", html! { @if let Some(cap) = job.cap { (number(cap)) } }),
            ("In a second", html! { @if let Some(rate) = job.rate { (number(rate)) } }),
            ("Planned", stamp(job.created_at, stage.now)),
            ("Began", at(job.started_at)),
            ("Ended", at(job.finished_at)),
        ]),
    )
}
