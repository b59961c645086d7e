//! Samples of who may do what, and of what was done.

use maud::Markup;
use time::Duration;

use super::pager;
use crate::http::console::frame::Stage;
use crate::http::console::pages::{account, audit, keys, people, sign_in, trouble};
use crate::http::console::samples::{NOW, Texts};

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    let factor = account::SecondFactor::Begun {
        address: "otpauth://totp/Sealpost:ada?secret=JBSWY3DPEHPK3PXP".into(),
        secret: t.of("JBSWY3DPEHPK3PXP"),
    };
    vec![
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
