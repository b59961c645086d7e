//! API keys: create, list, revoke. The key itself is shown once.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{
    BadgeTone, TEXT, WIDE, command, confirm, empty, field, link_path, panel, post, said, table,
    when, word,
};
use crate::admin::Scope;

/// The list.
pub(in crate::web::console) struct View {
    /// Keys, newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// The key that was just created: only this page ever shows it.
    pub(in crate::web::console) made: Option<String>,
}

/// A key.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// Its name.
    pub(in crate::web::console) name: String,
    /// Its scopes.
    pub(in crate::web::console) scopes: Vec<String>,
    /// The tenant it is limited to.
    pub(in crate::web::console) tenant: Option<String>,
    /// `good`, `expired` or `revoked`.
    pub(in crate::web::console) state: &'static str,
    /// When it was created.
    pub(in crate::web::console) created_at: OffsetDateTime,
    /// Who created it.
    pub(in crate::web::console) created_by: String,
    /// When it expires.
    pub(in crate::web::console) expires_at: Option<OffsetDateTime>,
    /// When it was last used.
    pub(in crate::web::console) last_used: Option<OffsetDateTime>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "API keys",
        lead: "Credentials for programs. A key is shown once, at creation; only its digest is stored.",
        section: Some(Section::Keys),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some(made) = &view.made {
            (note("created", BadgeTone::Good, &html! { "Copy the key now. It is not shown again." }))
            div .panel { div .pad { (command("made", "API key", made)) } }
        }
        section .panel aria-label="API keys" {
            @if view.rows.is_empty() { (empty("No API keys", "Create one below.")) }
            @else { (list(cx, &view.rows)) }
        }
        div .two {
            (panel("Create a key", &html! {}, &make(cx)))
            @let active: Vec<&Row> = view.rows.iter().filter(|row| row.state == "good").collect();
            @if !active.is_empty() {
                section .panel aria-labelledby="revoke" {
                    header { h2 #revoke { "Revoke a key" } }
                    @for row in active {
                        details .act {
                            summary { (said(&row.name)) " " code { (said(&row.id)) } }
                            (confirm(cx, &format!("revoke-{}", link_path(&row.id)),
                                &format!("/keys/{}/revoke", link_path(&row.id)),
                                "Requests with this key are rejected from now on.", ("risky", "Revoke")))
                        }
                    }
                }
            }
        }
    })
}

fn make(cx: &PageContext) -> Markup {
    post(
        cx,
        "/keys",
        "form",
        &html! {
            (field("name", "Name", "What the key is used for.", &html! {
                input #name name="name" required maxlength="64" autocomplete="off" aria-describedby="name-hint";
            }))
            (scopes("key"))
            div .grid {
                (field("tenant", "Tenant", "Empty for all tenants.", &html! {
                    input #tenant name="tenant" autocomplete="off" aria-describedby="tenant-hint";
                }))
                (field("days", "Days", "Lifetime in days.", &html! {
                    input #days name="days" type="number" min="1" max="3650" value="90" aria-describedby="days-hint";
                }))
            }
            div .check {
                input #never type="checkbox" name="never" value="yes";
                label for="never" { "Never expires " span .muted { "(leave the days empty)" } }
            }
            div .actions { button .first { "Create key" } }
        },
    )
}

/// Checkboxes for the scopes with a description each. `id` is unique on the page.
pub(in crate::web::console) fn scopes(id: &str) -> Markup {
    html! {
        fieldset .field {
            legend .label { "Scopes" }
            @for scope in Scope::ALL {
                div .check {
                    input type="checkbox" name="scope" value=(scope.as_str()) id={ (id) "-" (scope.as_str()) };
                    label for={ (id) "-" (scope.as_str()) } {
                        code { (scope.as_str()) } " " span .muted { (lets(scope)) }
                    }
                }
            }
        }
    }
}

fn lets(scope: Scope) -> &'static str {
    match scope {
        Scope::EventsRead => "read events and their outcome",
        Scope::PayloadRead => "read bodies, headers and error texts",
        Scope::EventsReplay => "replay, discard, unblock lanes",
        Scope::EventsEdit => "edit a body and replay it; also requires payload:read",
        Scope::SourcesWrite => "pause and resume",
        Scope::SecretsWrite => "read and reprocess rejected requests",
        Scope::Admin => "everything, including users and keys",
    }
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Name", TEXT),
        ("State", TEXT),
        ("Scopes", WIDE),
        ("Tenant", TEXT),
        ("Created", TEXT),
        ("Expires", TEXT),
        ("Last used", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = rows.iter().map(|row| vec![
        html! { span .said { (said(&row.name)) } span .under { code { (said(&row.id)) } } },
        word(row.state, BadgeTone::of(row.state)),
        html! { @for scope in &row.scopes { (word(scope, BadgeTone::Plain)) " " } },
        html! { @match &row.tenant { Some(tenant) => (said(tenant)), None => span .muted { "all" }, } },
        html! { (when(row.created_at, cx.now)) span .under { (said(&row.created_by)) } },
        html! { @match row.expires_at {
            Some(at) => (when(at, cx.now)), None => span .muted { "never" },
        } },
        html! { @match row.last_used {
            Some(at) => (when(at, cx.now)), None => span .muted { "never" },
        } },
    ]).collect();
    table("API keys", &columns, &rows)
}
