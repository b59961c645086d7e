//! Samples of what comes in, and of where it goes.

use maud::Markup;
use time::Duration;

use super::{course, pager};
use crate::http::console::frame::Stage;
use crate::http::console::pages::{
    alerts, destination, destinations, explain, held, overview, settings, sources, transfers,
};
use crate::http::console::parts::{Bar, Bytes, Tab, Tone};
use crate::http::console::samples::{NOW, Texts};

fn source(t: &Texts) -> sources::One {
    sources::One {
        row: sources::Row {
            name: t.of("billing"),
            provider: t.of("shop"),
            tenant: t.of("acme"),
            state: t.of("ok"),
            verified_at: None,
            is_paused: true,
            holds_refused: Some(Duration::hours(1)),
            secrets: 2,
        },
        urls: vec![t.of("https://hooks.example/hooks/billing")],
        is_public: false,
        actions: vec![t.of("create")],
        scheme: t.of("HMAC-SHA256 of the time, a dot and the body"),
        handlers: vec![t.of("ledger")],
        traffic: vec![sources::Count {
            what: t.of("Refused: sig_mismatch"),
            hour: 4,
            day: 10,
            href: Some("/held?source=billing".into()),
        }],
        secrets: vec![sources::Secret {
            fingerprint: t.of("122a3baadcaf"),
            state: t.of("active"),
            first_used: Some(NOW - Duration::days(40)),
            last_used: Some(NOW - Duration::minutes(1)),
            uses: 120_345,
        }],
        held: Some((NOW - Duration::hours(1), t.of("ada"), t.of("a release"))),
        test: Some(t.of("sealpost fixtures send shop/invoice-paid")),
    }
}

fn overview(t: &Texts) -> overview::View {
    let numbers = |hour, day| overview::HourDay { hour, day };
    overview::View {
        worst: Some(("critical", Tone::Bad)),
        alerts_are_told: false,
        banners: vec![overview::Banner {
            word: t.of("silent"),
            tone: Tone::Bad,
            text: t.of("cards has sent nothing for 3 h; it usually does every 4 min."),
            href: "/sources/cards".into(),
        }],
        sources: ["billing", "cards", "orders"]
            .iter()
            .map(|name| overview::Source {
                name: t.of(name),
                provider: t.of("shop"),
                // A word of ours: no stranger writes it.
                state: if *name == "cards" { "silent" } else { "ok" }.into(),
                received: numbers(1_204, 22_310),
                verified: numbers(1_200, 22_300),
                refused: numbers(4, 10),
                handled: numbers(1_190, 22_280),
                dead: numbers(2, 9),
                course: course(),
                oldest_waiting: Some(NOW - Duration::seconds(12)),
                slow: Some(Duration::milliseconds(18)),
                last_event: Some(NOW - Duration::seconds(3)),
                secret: Some(t.of("122a3baadcaf")),
            })
            .collect(),
        groups: vec![overview::Group {
            id: t.of("7"),
            message: Some(t.of("account # is not known")),
            source: t.of("billing"),
            handler: t.of("ledger"),
            reason: t.of("permanent"),
            open: 1_204,
            last_at: NOW - Duration::minutes(2),
            course: course(),
        }],
        open_in_all: 12,
        began: overview::Began { hour: NOW - Duration::hours(1), day: NOW - Duration::days(1) },
        received: course()
            .into_iter()
            .enumerate()
            .map(|(hour, value)| Bar { label: format!("{hour:02}:00"), value: value * 90 })
            .collect(),
        median: (0..24_i32).map(|hour| (hour != 9).then(|| f64::from(hour % 5) + 4.0)).collect(),
        slow: (0..24_i32).map(|hour| (hour != 9).then(|| f64::from(hour % 7) + 14.0)).collect(),
    }
}

fn held(t: &Texts) -> held::One {
    held::One {
        row: held::Row {
            id: t.of("9"),
            source: t.of("billing"),
            reason: t.of("bad_signature"),
            verdict: t.of("The signature was made with another secret."),
            size: 2_048,
            received_at: NOW - Duration::minutes(4),
            until: NOW + Duration::minutes(56),
            event: None,
        },
        findings: vec![
            (t.of("Signature header"), Tone::Good, t.of("one, well formed")),
            (t.of("Secret"), Tone::Bad, t.of("no known secret made it")),
        ],
        advice: Some(t.of("Compare the fingerprint with the sender's.")),
        headers: vec![(t.of("content-type"), t.of("application/json"))],
        body: Some(Bytes {
            shown: t.of("{\"id\":1}").into_bytes(),
            size: 9_000,
            tab: Tab::Raw,
            href: "/held/9".into(),
            download: Some("/held/9/body".into()),
        }),
    }
}

fn destination_row(t: &Texts) -> destinations::Row {
    destinations::Row {
        name: t.of("app"),
        url: Some(t.of("https://app.example.com/hooks")),
        state: "failing",
        since: Some(NOW - Duration::minutes(9)),
        why: Some(t.of("it answered 410")),
        ready: 12,
        oldest: Some(NOW - Duration::minutes(9)),
        at_work: 1,
        dead: 4,
        failed: Some((NOW - Duration::minutes(1), Some(t.of("503")))),
        verbs: vec!["try", "resume", "pause", "disable"],
    }
}

fn destination(t: &Texts) -> destination::View {
    let answer = |delivery, status, error: Option<String>| destination::Answer {
        at: NOW - Duration::minutes(1),
        took: Duration::milliseconds(120),
        delivery,
        status,
        headers: vec![(t.of("content-type"), t.of("text/plain"))],
        body: t.of("the card table is locked"),
        error,
    };
    destination::View {
        row: destination_row(t),
        next: Some(NOW + Duration::minutes(7)),
        success: Some(66.7),
        within: (Some(50), None),
        hours: (vec![3; 24], vec![1; 24]),
        answers: vec![
            answer(None, Some(200), None),
            answer(Some(7), None, Some(t.of("it could not be asked"))),
        ],
        payload: true,
    }
}

fn held_list(t: &Texts) -> held::View {
    let verified = held::Row { event: Some((t.of("019a"), t.of("ada"))), ..held(t).row };
    held::View {
        facets: Vec::new(),
        source: Some(t.of("billing")),
        rows: vec![held(t).row, verified],
        pager: pager(),
    }
}

fn transfer(t: &Texts) -> transfers::One {
    transfers::One {
        id: 4,
        name: t.of("0c5f1c0e"),
        path: Some(t.of("guides/big-image.png")),
        tenant: t.of("acme"),
        source: t.of("cards"),
        kind: t.of("file.updated"),
        state: t.of("open"),
        map: Some(transfers::Map { have: (0..90).map(|n| n % 7 != 3).collect() }),
        chunks: (77, 90),
        bytes: 40_000_000,
        began_at: NOW - Duration::minutes(5),
        last_at: NOW - Duration::seconds(4),
        until: Some((NOW + Duration::minutes(10), NOW + Duration::minutes(50))),
        event: Some(t.of("01a1f8d3")),
        envelope: Some(t.of("{}")),
        others: vec![(2, t.of("superseded"), NOW - Duration::minutes(20))],
    }
}

fn explained(t: &Texts) -> explain::View {
    explain::View {
        sources: vec![t.of("billing")],
        asked: explain::Asked {
            source: t.of("billing"),
            request: t.of("POST /hooks/billing HTTP/1.1"),
            body: t.of("{\"id\":1}"),
            written: "text".into(),
            at: t.of("2026-11-20T12:00:00Z"),
        },
        answer: Some(explain::Answer::Said {
            verdict: "refused as sig_mismatch".into(),
            tone: Tone::Bad,
            finding: t.of("no secret"),
            text: t.of("No secret of the source made the signature."),
            hint: Some(t.of("Compare the fingerprints.")),
            secret: Some(t.of("122a3baadcaf")),
            at: NOW,
        }),
    }
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    vec![
        ("overview", overview::page(stage, &overview(t))),
        (
            "transfers",
            transfers::page(
                stage,
                &transfers::View {
                    closed: vec![(3, t.of("a.png"), t.of("cards"), t.of("whole"), NOW)],
                    rows: vec![transfers::Row {
                        id: 4,
                        name: t.of("guides/big-image.png"),
                        source: t.of("cards"),
                        map: transfers::Map { have: (0..90).map(|n| n % 7 != 3).collect() },
                        bytes: 40_000_000,
                        of_bytes: Some(64_000_000),
                        began_at: NOW - Duration::minutes(5),
                        last_at: NOW - Duration::seconds(4),
                        until: NOW + Duration::minutes(10),
                    }],
                    pager: pager(),
                },
            ),
        ),
        ("transfer", transfers::one(stage, &transfer(t))),
        ("sources", sources::page(stage, &sources::View { rows: vec![source(t).row] })),
        ("source", sources::one(stage, &source(t))),
        ("source-set-up", sources::set_up(stage, &source(t))),
        ("explain", explain::page(stage, &explained(t))),
        ("held", held::page(stage, &held_list(t))),
        (
            "held-new",
            held::new(stage, &held::New { action: "verify", source: Some(t.of("billing")) }),
        ),
        ("held-one", held::one(stage, &held(t))),
        (
            "settings",
            settings::page(
                stage,
                &settings::View {
                    sections: vec![(t.of("Dispatch"), vec![(t.of("max_attempts"), t.of("8"))])],
                },
            ),
        ),
        (
            "destinations-sample",
            destinations::page(stage, &destinations::View { rows: vec![destination_row(t)] }),
        ),
        ("destination-sample", destination::page(stage, &destination(t))),
        (
            "alerts-sample",
            alerts::page(
                stage,
                &alerts::View {
                    all: false,
                    are_told: false,
                    pager: pager(),
                    rows: vec![alerts::Row {
                        id: 3,
                        severity: t.of("critical"),
                        kind: t.of("silence"),
                        source: t.of("cards"),
                        text: Some(t.of("cards is silent")),
                        count: 4,
                        last_at: NOW,
                        state: "open",
                        told: "told",
                    }],
                },
            ),
        ),
    ]
}
