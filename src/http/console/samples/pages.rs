//! A sample of every page.

use maud::Markup;
use time::Duration;

use super::{NOW, Texts};
use crate::http::console::frame::Stage;
use crate::http::console::pages::{
    account, alerts, audit, dead_letters, destinations, edit, groups, held, jobs, keys, overview,
    people, settings, sign_in, sources, transfers, trouble,
};
use crate::http::console::parts::{Bar, Bytes, Pager, Tab, Tone};

fn pager() -> Pager {
    Pager { shown: "2 of 2 012".into(), first: Some("/x".into()), next: Some("/x?after=2".into()) }
}

fn course() -> Vec<u64> {
    (0..24).map(|hour| (hour * 7) % 11 + hour).collect()
}

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

fn source(t: &Texts) -> sources::One {
    sources::One {
        row: sources::Row {
            name: t.of("billing"),
            provider: t.of("stripe"),
            tenant: t.of("acme"),
            state: t.of("ok"),
            verified_at: None,
            secrets: 2,
        },
        urls: vec![t.of("https://hooks.example/hooks/billing")],
        scheme: t.of("HMAC-SHA256 of the time, a dot and the body"),
        handlers: vec![t.of("ledger")],
        secrets: vec![sources::Secret {
            fingerprint: t.of("122a3baadcaf"),
            state: t.of("active"),
            first_used: Some(NOW - Duration::days(40)),
            last_used: Some(NOW - Duration::minutes(1)),
            uses: 120_345,
        }],
        held: Some((NOW - Duration::hours(1), t.of("ada"), t.of("a release"))),
        test: Some(t.of("sealpost fixtures send stripe/invoice-paid")),
    }
}

fn overview(t: &Texts) -> overview::View {
    let numbers = |hour, day| overview::HourDay { hour, day };
    overview::View {
        banners: vec![overview::Banner {
            word: t.of("silent"),
            tone: Tone::Bad,
            text: t.of("cards has sent nothing for 3 h; it usually does every 4 min."),
            href: "/sources/cards".into(),
        }],
        sources: ["billing", "cards", "apify-runs"]
            .iter()
            .map(|name| overview::Source {
                name: t.of(name),
                provider: t.of("stripe"),
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
        groups_in_all: 12,
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
            tab: Tab::Text,
            href: "/held/9".into(),
            download: Some("/held/9/body".into()),
        }),
    }
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    let held_row = |t| held(t).row;
    let factor = account::SecondFactor::Begun {
        address: "otpauth://totp/Sealpost:ada?secret=JBSWY3DPEHPK3PXP".into(),
        secret: t.of("JBSWY3DPEHPK3PXP"),
    };
    let edit = edit::View {
        delivery: 12_345,
        original: "{\n  \"amount\": 1\n}\n".into(),
        edited: format!("{{\n  \"amount\": {}\n}}\n", t.of("2")),
        wrong: Some(t.of("It is no JSON any more.")),
    };
    vec![
        ("overview", overview::page(stage, &overview(t))),
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
            "transfers",
            transfers::page(
                stage,
                &transfers::View {
                    rows: vec![transfers::Row {
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
        ("sources", sources::page(stage, &sources::View { rows: vec![source(t).row] })),
        ("source", sources::one(stage, &source(t))),
        ("source-set-up", sources::set_up(stage, &source(t))),
        ("held", held::page(stage, &held::View { rows: vec![held_row(t)], pager: pager() })),
        ("held-one", held::one(stage, &held(t))),
        (
            "audit",
            audit::page(
                stage,
                &audit::View {
                    actor: t.of("ada"),
                    action: t.of("replay"),
                    rows: vec![audit::Row {
                        id: 77,
                        at: NOW - Duration::hours(2),
                        actor: t.of("ada"),
                        action: t.of("replay"),
                        target: t.of("deliveries 1"),
                        reason: t.of("the ledger is mended"),
                        count: 1,
                        hash: "4f5e6a7b8c9d0e1f".into(),
                    }],
                    pager: pager(),
                    chain: Some((true, t.of("77 entries, each names the one before."))),
                },
            ),
        ),
        (
            "keys",
            keys::page(
                stage,
                &keys::View {
                    rows: vec![keys::Row {
                        id: t.of("k3v9"),
                        name: t.of("exporter"),
                        scopes: vec![t.of("events:read")],
                        tenant: Some(t.of("acme")),
                        state: "active".into(),
                        created_at: NOW - Duration::days(3),
                        created_by: t.of("ada"),
                        expires_at: Some(NOW + Duration::days(87)),
                        last_used: None,
                    }],
                    made: Some(t.of("slp_k3v9_not-a-real-key")),
                },
            ),
        ),
        (
            "people",
            people::page(
                stage,
                &people::View {
                    rows: vec![people::Row {
                        name: t.of("grace"),
                        scopes: vec![t.of("events:read")],
                        tenant: None,
                        state: t.of("active"),
                        second_factor: true,
                        last_sign_in: Some(NOW - Duration::hours(5)),
                    }],
                    invited: Some((t.of("linus"), t.of("https://ops.example/setup?token=x"))),
                },
            ),
        ),
        (
            "account",
            account::page(
                stage,
                &account::View {
                    scopes: vec![t.of("admin")],
                    second_factor: factor,
                    wrong: Some("The code is not right."),
                    sessions: vec![account::Session {
                        id: t.of("s1"),
                        this: false,
                        agent: t.of("Firefox on Linux"),
                        began_at: NOW - Duration::hours(3),
                        seen_at: NOW - Duration::minutes(1),
                    }],
                },
            ),
        ),
        ("link-spent", sign_in::spent()),
        (
            "account-plain",
            account::page(
                stage,
                &account::View {
                    scopes: Vec::new(),
                    second_factor: account::SecondFactor::Off,
                    wrong: None,
                    sessions: Vec::new(),
                },
            ),
        ),
        (
            "account-on",
            account::page(
                stage,
                &account::View {
                    scopes: Vec::new(),
                    second_factor: account::SecondFactor::On,
                    wrong: None,
                    sessions: Vec::new(),
                },
            ),
        ),
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
            destinations::page(
                stage,
                &destinations::View {
                    rows: vec![destinations::Row {
                        name: t.of("app"),
                        state: "failing",
                        since: Some(NOW - Duration::minutes(9)),
                        why: Some(t.of("it answered 410")),
                        ready: 12,
                        oldest: Some(NOW - Duration::minutes(9)),
                        at_work: 1,
                        dead: 4,
                        failed: Some((NOW - Duration::minutes(1), Some(t.of("503")))),
                        verbs: vec!["resume", "pause", "disable"],
                    }],
                },
            ),
        ),
        (
            "alerts-sample",
            alerts::page(
                stage,
                &alerts::View {
                    all: false,
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
        (
            "trouble",
            trouble::page(
                stage,
                &trouble::View {
                    title: "You may not do this",
                    text: t.of("This needs the scope admin."),
                    scope: Some("admin"),
                    again: true,
                },
            ),
        ),
        (
            "sign-in",
            sign_in::page(&sign_in::View {
                wrong: Some("The name or the password is not right."),
                next: t.of("/events"),
                name: t.of("ada"),
                code: false,
                company: Some(t.of("Acme")),
            }),
        ),
        (
            "sign-in-code",
            sign_in::page(&sign_in::View { code: true, next: t.of("/"), ..Default::default() }),
        ),
        (
            "setup",
            sign_in::set_up(&sign_in::SetUp {
                token: t.of("one-time"),
                name: t.of("ada"),
                wrong: Some(t.of("The password is too short.")),
            }),
        ),
    ]
}
