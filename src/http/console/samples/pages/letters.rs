//! Samples of dead letters and of what is done about them.

use maud::Markup;
use time::Duration;

use super::{course, pager};
use crate::http::console::frame::Stage;
use crate::http::console::pages::{dead_letters, edit, groups, holds, jobs};
use crate::http::console::samples::{NOW, Texts};
use crate::operator::Scope;

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
        id: 7,
        class: "Handler failures",
        source: t.of("billing"),
        handler: t.of("ledger"),
        reason: t.of("permanent"),
        title: t.of("account # is not known"),
        is_various: false,
        open: 1_204,
        total: 2_012,
        first_at: NOW - Duration::hours(30),
        last_at: NOW - Duration::minutes(2),
        sample: 12_345,
        course: course(),
    }
}

fn job(t: &Texts, begun: bool) -> jobs::Job {
    jobs::Job {
        id: 42,
        action: "replay",
        things: ("dead letter", "dead letters"),
        scope: Scope::EventsReplay,
        verifiable: None,
        target: t.of("dead letters of source billing"),
        state: if begun { "running" } else { "planned" },
        is_plan: !begun,
        is_running: begun,
        matched: 1_204,
        goal: 1_000,
        done: if begun { 480 } else { 0 },
        planned: (t.of("ada"), NOW - Duration::minutes(3)),
        started: begun.then(|| (t.of("ada"), NOW - Duration::minutes(2))),
        cancelled_by: None,
        reason: t.of("the ledger is mended"),
        finished_at: None,
        failure: begun.then(|| t.of("the database is full")),
        cap: Some(1_000),
        rate: Some(50),
    }
}

fn one_job(t: &Texts, begun: bool) -> jobs::One {
    jobs::One {
        job: job(t, begun),
        until: NOW + Duration::minutes(15),
        sample: vec![letter(t), letter(t)],
        held: Vec::new(),
        outcomes: vec![("Done", 470), ("Dead again", 10)],
        refusals: vec![(7, t.of("its event is gone"))],
        command: t.of("sealpost jobs show 42"),
    }
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    let edit = edit::View {
        delivery: 12_345,
        // With a character that is not seen, so that the page always warns of such.
        edited: t.of("{\n  \"amount\": 2\u{200b}\n}\n"),
        wrong: Some(t.of("It is no JSON any more.")),
    };
    let check = edit::Check {
        delivery: 12_345,
        edited: t.of("{\n  \"amount\": 2\n}\n"),
        diff: t.of("--- received\n+++ edited\n@@ -1 +1 @@\n-  \"amount\": 1\n+  \"amount\": 2"),
        is_partial: true,
        handlers: vec![t.of("ledger")],
    };
    let hold = |hold| holds::Row { what: "handler", name: t.of("ledger"), hold };
    let held = (NOW - Duration::hours(1), t.of("ada"), t.of("a release"));
    let of_class = || groups::OfClass {
        name: "Handler failures",
        asks: "Mend it, then replay.",
        rows: vec![group(t), group(t)],
        pager: pager(),
        plan: Some("/jobs/new?class=handler".into()),
    };
    vec![
        (
            "groups",
            groups::page(stage, &groups::View { facets: Vec::new(), classes: vec![of_class()] }),
        ),
        (
            "group",
            groups::one(
                stage,
                &groups::One {
                    group: group(t),
                    rows: vec![letter(t)],
                    pager: pager(),
                    asks: "mend the handler",
                },
            ),
        ),
        ("jobs", jobs::page(stage, &jobs::View { rows: vec![job(t, true)], pager: pager() })),
        ("job-plan", jobs::one(stage, &one_job(t, false))),
        ("job-running", jobs::one(stage, &one_job(t, true))),
        ("job-cancel", jobs::cancel(stage, &job(t, true))),
        (
            "job-new",
            jobs::new(
                stage,
                &jobs::New {
                    action: "discard",
                    target: t.of("dead letters of source billing"),
                    matched: 1_204,
                    fields: vec![("source", t.of("billing"))],
                },
            ),
        ),
        ("holds", holds::page(stage, &holds::View { rows: vec![hold(None), hold(Some(held))] })),
        ("edit", edit::page(stage, &edit)),
        ("edit-check", edit::check(stage, &check)),
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
                    plan: Some("/jobs/new".into()),
                    reasons: vec![t.of("exhausted")],
                    rows: vec![letter(t)],
                    pager: pager(),
                },
            ),
        ),
    ]
}
