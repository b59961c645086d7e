//! People: operators who sign in.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, TEXT, WIDE, command, confirm, count, empty, field, link_path, panel, post, said,
    table, when, word,
};
use super::keys::scopes;
use crate::admin::Ended;

/// The list.
pub(in crate::web::console) struct View {
    /// People by name.
    pub(in crate::web::console) rows: Vec<Row>,
    /// The link for who was just invited: only this page ever shows it.
    /// With what ended, where it takes the place of another way in.
    pub(in crate::web::console) invited: Option<(String, String, Ended)>,
}

/// A person.
pub(in crate::web::console) struct Row {
    /// Their name, with which they sign in.
    pub(in crate::web::console) name: String,
    /// What they may do.
    pub(in crate::web::console) scopes: Vec<String>,
    /// The only tenant whose things they see.
    pub(in crate::web::console) tenant: Option<String>,
    /// `good` or `disabled`; `invited` while they have not chosen a password.
    pub(in crate::web::console) state: &'static str,
    /// Whether a code is asked for when they sign in.
    pub(in crate::web::console) codes: bool,
    /// When they signed in last.
    pub(in crate::web::console) last_sign_in: Option<OffsetDateTime>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "People",
        lead: "Who signs in here, and what they may do.",
        section: Some(Section::Users),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some((name, link, ended)) = &view.invited {
            @if *ended != Ended::default() { (note("ended", BadgeTone::Warn, &what_ended(ended))) }
            (note("invited", BadgeTone::Good, &html! {
                "Give this link to " (said(name)) ": it works once, within 24 hours, and is not shown again."
            }))
            div .panel { div .pad { (command("invited", "The link", link)) } }
        }
        section .panel aria-label="People" {
            @if view.rows.is_empty() { (empty("Nobody", "Invite somebody below.")) }
            @else { (list(cx, &view.rows)) }
        }
        div .two {
            (panel("Invite somebody", &html! {}, &post(cx, "/users", "form", &html! {
                (field("name", "Name", "With it they sign in.", &html! {
                    input #name name="name" required maxlength="64" autocomplete="off" aria-describedby="name-hint";
                }))
                (scopes("person"))
                (field("tenant", "Tenant", "Empty: all.", &html! {
                    input #tenant name="tenant" autocomplete="off" aria-describedby="tenant-hint";
                }))
                div .actions { button .first { "Make the link" } }
            })))
            @let others: Vec<&Row> = view.rows.iter()
                .filter(|row| row.name != cx.viewer.caller.actor()).collect();
            @if !others.is_empty() {
                section .panel aria-labelledby="change" {
                    header { h2 #change { "Change what somebody can do" } }
                    @for row in others { (acts(cx, row)) }
                }
            }
        }
    })
}

fn acts(cx: &PageContext, row: &Row) -> Markup {
    let verbs: &[(&str, &str, &str, &str)] = if row.state == "disabled" {
        &[("enable", "first", "Enable", "They can sign in again, with what they signed in with.")]
    } else {
        &[
            (
                "reset",
                "",
                "New password",
                "Their password, or what links them to an issuer, ends with their sessions, and the API keys that they made are revoked; you get a link by which they choose another password.",
            ),
            (
                "reset-all",
                "",
                "New password, no codes",
                "As above, and no code is asked for: for who has lost what makes them.",
            ),
            (
                "disable",
                "risky",
                "Disable",
                "Their sessions end, the API keys that they made are revoked, and they cannot sign in any more.",
            ),
        ]
    };
    let name = link_path(&row.name);
    html! {
        @for (verb, class, label, says) in verbs {
            details .act {
                summary { (label) ": " (said(&row.name)) }
                (confirm(cx, &format!("{verb}-{name}"), &format!("/users/{name}/{verb}"), says, (class, label)))
            }
        }
    }
}

fn what_ended(ended: &Ended) -> Markup {
    html! {
        (count(ended.sessions, "session", "sessions")) " ended"
        @if ended.keys.is_empty() { "; they had made no API keys that were good." } @else {
            ", and these API keys are revoked: "
            @for (place, (name, id)) in ended.keys.iter().enumerate() {
                @if place > 0 { ", " }
                (said(name)) " " code { (said(id)) }
            }
            "."
        }
    }
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Name", TEXT),
        ("State", TEXT),
        ("May", WIDE),
        ("Tenant", TEXT),
        ("Codes", TEXT),
        ("Last sign-in", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! { span .said { (said(&row.name)) } },
        word(row.state, BadgeTone::of(row.state)),
        html! { @for scope in &row.scopes { (word(scope, BadgeTone::Plain)) " " } },
        html! { @match &row.tenant { Some(tenant) => (said(tenant)), None => span .muted { "all" }, } },
        html! { @if row.codes { (word("on", BadgeTone::Good)) } @else { (word("off", BadgeTone::Plain)) } },
        html! { @match row.last_sign_in {
            Some(at) => (when(at, cx.now)), None => span .muted { "never" },
        } },
    ]).collect();
    table("People", &columns, &rows)
}
