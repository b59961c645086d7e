//! Samples of dead letters and of what is done about them.

use maud::Markup;
use time::Duration;

use super::{course, pager};
use crate::http::console::frame::Stage;
use crate::http::console::pages::{dead_letters, edit, groups, jobs};
use crate::http::console::samples::{NOW, Texts};

fn letter(t: &Texts) -> dead_letters::Row {
    dead_letters::Row {
        id: 12_345,
        kind: Some(t.of("invoice.paid")),
        source: t.of("billing"),
        handler: t.of("ledger"),
        reason: t.of("exhausted"),
        error: Some(t.of("connection refused")),
        attempts: 8,
        died_at: Some(NOW - Duration::minutes(7)),
        waiting: 3,
        resolution: None,
    }
}

fn group(t: &Texts) -> groups::Group {
    groups::Group {
        id: t.of("7"),
        class: t.of("handler failure"),
        source: t.of("billing"),
        handler: t.of("ledger"),
        reason: t.of("permanent"),
        message: Some(t.of("account # is not known")),
        open: 1_204,
        total: 2_012,
        first_at: NOW - Duration::hours(30),
        last_at: NOW - Duration::minutes(2),
        course: course(),
    }
}

fn job(t: &Texts, begun: bool) -> jobs::Job {
    jobs::Job {
        id: t.of("42"),
        action: "replay".into(),
        target: t.of("dead letters of source billing"),
        state: t.of(if begun { "running" } else { "planned" }),
        total: 1_204,
        done: if begun { 480 } else { 0 },
        actor: t.of("ada"),
        reason: begun.then(|| t.of("the ledger is mended")),
        created_at: NOW - Duration::minutes(3),
        started_at: begun.then(|| NOW - Duration::minutes(2)),
        finished_at: None,
        cap: begun.then_some(1_000),
        rate: begun.then_some(50),
    }
}

fn one_job(t: &Texts, begun: bool) -> jobs::One {
    jobs::One {
        job: job(t, begun),
        until: (!begun).then(|| NOW + Duration::minutes(15)),
        sample: vec![letter(t), letter(t)],
        outcomes: vec![(t.of("done"), 470), (t.of("dead again"), 10)],
        command: Some(t.of("sealpost jobs show 42")),
    }
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    let edit = edit::View {
        delivery: 12_345,
        original: "{\n  \"amount\": 1\n}\n".into(),
        edited: t.of("{\n  \"amount\": 2\n}\n"),
        wrong: Some(t.of("It is no JSON any more.")),
    };
    vec![
        (
            "groups",
            groups::page(
                stage,
                &groups::View {
                    facets: Vec::new(),
                    rows: vec![group(t), group(t)],
                    pager: pager(),
                    plan: Some("/jobs/new?action=replay".into()),
                },
            ),
        ),
        (
            "group",
            groups::one(
                stage,
                &groups::One {
                    group: group(t),
                    rows: vec![letter(t)],
                    pager: pager(),
                    advice: Some("mend the handler"),
                },
            ),
        ),
        ("jobs", jobs::page(stage, &jobs::View { rows: vec![job(t, true)], pager: pager() })),
        ("job-plan", jobs::one(stage, &one_job(t, false))),
        ("job-running", jobs::one(stage, &one_job(t, true))),
        ("edit", edit::page(stage, &edit)),
        ("edit-check", edit::check(stage, &edit)),
        (
            "dead-letters-sample",
            dead_letters::page(
                stage,
                &dead_letters::View {
                    narrowed: dead_letters::Narrowed {
                        source: t.of("billing"),
                        handler: t.of("ledger"),
                        ..Default::default()
                    },
                    reasons: vec![t.of("exhausted")],
                    rows: vec![letter(t)],
                    pager: pager(),
                },
            ),
        ),
    ]
}
