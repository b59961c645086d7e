//! Samples of who may do what, and of what was done.

use maud::Markup;
use time::Duration;

use super::pager;
use crate::http::console::frame::Stage;
use crate::http::console::pages::{account, audit, keys, people, sign_in, trouble};
use crate::http::console::samples::{NOW, Texts};
use crate::operator::{Ended, OwnSession};

fn session(t: &Texts, is_this: bool) -> OwnSession {
    let since = NOW - Duration::hours(3);
    let (id, peer) = (i64::from(is_this), "2001:db8::7".to_owned());
    let agent = t.of("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/145.0");
    let until = since + Duration::hours(12);
    OwnSession { id, is_this, peer, agent, since, last_seen_at: NOW, until }
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    let codes = account::Codes::Begun(Some(("otpauth://totp/x".into(), t.of("JBSWY3DP"))));
    vec![
        (
            "audit",
            audit::page(
                stage,
                &audit::View {
                    actor: t.of("ada"),
                    action: t.of("replay"),
                    since: t.of("2026-11-01"),
                    until: t.of("2026-11-20"),
                    whole: true,
                    rows: vec![audit::Row {
                        id: 77,
                        at: NOW - Duration::hours(2),
                        actor: t.of("ada"),
                        address: Some("2001:db8::7".to_owned()),
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
                        state: "active",
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
                        state: "good",
                        codes: true,
                        last_sign_in: Some(NOW - Duration::hours(5)),
                    }],
                    invited: Some((
                        t.of("linus"),
                        t.of("https://ops.example/setup?token=x"),
                        Ended { sessions: 2, keys: vec![(t.of("exporter"), t.of("k3v9"))] },
                    )),
                },
            ),
        ),
        (
            "account",
            account::page(
                stage,
                &account::View {
                    scopes: vec![t.of("admin")],
                    since: NOW - Duration::hours(3),
                    password: true,
                    codes,
                    must_enrol: true,
                    sessions: [true, false].map(|is_this| session(t, is_this)).into(),
                    wrong: Some(t.of("The code is not right.")),
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
                wrong: Some(t.of("The name, the password or the code is wrong.")),
                next: t.of("/events"),
                name: t.of("ada"),
                issuer: Some(t.of("the company")),
            }),
        ),
        // Of the worst all that a path of ours may hold.
        ("arrived", sign_in::arrived(&t.of("/events").replace('\u{202e}', ""))),
        ("spent", sign_in::trouble("This link is spent", &t.of("It was used."))),
        (
            "setup",
            sign_in::set_up(&sign_in::SetUp {
                token: t.of("one-time"),
                name: t.of("ada"),
                fixed: true,
                wrong: Some(t.of("The password is too short.")),
            }),
        ),
    ]
}
