//! Users of the console.

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
    /// Users by name.
    pub(in crate::web::console) rows: Vec<Row>,
    /// The set-up link of the user just invited: only this page ever shows it.
    /// With the sessions and keys that were revoked by a reset.
    pub(in crate::web::console) invited: Option<(String, String, Ended)>,
}

/// A user.
pub(in crate::web::console) struct Row {
    /// The name they sign in with.
    pub(in crate::web::console) name: String,
    /// Their scopes.
    pub(in crate::web::console) scopes: Vec<String>,
    /// The tenant they are limited to.
    pub(in crate::web::console) tenant: Option<String>,
    /// `good` or `disabled`; `invited` until they have set a password.
    pub(in crate::web::console) state: &'static str,
    /// Whether two-factor authentication is on.
    pub(in crate::web::console) codes: bool,
    /// When they last signed in.
    pub(in crate::web::console) last_sign_in: Option<OffsetDateTime>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Users",
        lead: "Console users and their scopes.",
        section: Some(Section::Users),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some((name, link, ended)) = &view.invited {
            @if *ended != Ended::default() { (note("ended", BadgeTone::Warn, &what_ended(ended))) }
            (note("invited", BadgeTone::Good, &html! {
                "Send this link to " (said(name)) ". It works once, within 24 hours, and is not shown again."
            }))
            div .panel { div .pad { (command("invited", "Set-up link", link)) } }
        }
        section .panel aria-label="Users" {
            @if view.rows.is_empty() { (empty("No users", "Invite one below.")) }
            @else { (list(cx, &view.rows)) }
        }
        div .two {
            (panel("Invite a user", &html! {}, &post(cx, "/users", "form", &html! {
                (field("name", "Name", "The user signs in with this name.", &html! {
                    input #name name="name" required maxlength="64" autocomplete="off" aria-describedby="name-hint";
                }))
                (scopes("person"))
                (field("tenant", "Tenant", "Empty for all tenants.", &html! {
                    input #tenant name="tenant" autocomplete="off" aria-describedby="tenant-hint";
                }))
                div .actions { button .first { "Create link" } }
            })))
            @let others: Vec<&Row> = view.rows.iter()
                .filter(|row| row.name != cx.viewer.caller.actor()).collect();
            @if !others.is_empty() {
                section .panel aria-labelledby="change" {
                    header { h2 #change { "Manage users" } }
                    @for row in others { (acts(cx, row)) }
                }
            }
        }
    })
}

fn acts(cx: &PageContext, row: &Row) -> Markup {
    let verbs: &[(&str, &str, &str, &str)] = if row.state == "disabled" {
        &[("enable", "first", "Enable", "The user can sign in again with the same credentials.")]
    } else {
        &[
            (
                "reset",
                "",
                "Reset password",
                "Removes the password or the single sign-on link, ends all sessions and revokes the API keys the user created. You get a link to set a new password.",
            ),
            (
                "reset-all",
                "",
                "Reset password and two-factor",
                "As above, and turns two-factor authentication off. For users who lost their authenticator.",
            ),
            (
                "disable",
                "risky",
                "Disable",
                "Ends all sessions, revokes the API keys the user created and prevents sign-in.",
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
        @if ended.keys.is_empty() { "; no active API keys." } @else {
            ". Revoked API keys: "
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
        ("Scopes", WIDE),
        ("Tenant", TEXT),
        ("Two-factor", TEXT),
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
    table("Users", &columns, &rows)
}
