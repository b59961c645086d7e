//! API keys: made, listed, revoked. The key itself is shown once.

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
    /// Keys, the newest first.
    pub(in crate::web::console) rows: Vec<Row>,
    /// The key that was just made: only this page ever shows it.
    pub(in crate::web::console) made: Option<String>,
}

/// A key.
pub(in crate::web::console) struct Row {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// What it is for.
    pub(in crate::web::console) name: String,
    /// What it may do.
    pub(in crate::web::console) scopes: Vec<String>,
    /// The only tenant whose things it sees.
    pub(in crate::web::console) tenant: Option<String>,
    /// `good`, `expired` or `revoked`.
    pub(in crate::web::console) state: &'static str,
    /// When it was made.
    pub(in crate::web::console) created_at: OffsetDateTime,
    /// By whom.
    pub(in crate::web::console) created_by: String,
    /// Until when it is good.
    pub(in crate::web::console) expires_at: Option<OffsetDateTime>,
    /// When it was used last.
    pub(in crate::web::console) last_used: Option<OffsetDateTime>,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "API keys",
        lead: "For programs. A key is shown once, when it is made; what is kept is its digest.",
        section: Some(Section::Keys),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some(made) = &view.made {
            (note("made", BadgeTone::Good, &html! { "Copy the key now: it is not shown again." }))
            div .panel { div .pad { (command("made", "The key", made)) } }
        }
        section .panel aria-label="API keys" {
            @if view.rows.is_empty() { (empty("No API keys", "Make one below.")) }
            @else { (list(cx, &view.rows)) }
        }
        div .two {
            (panel("Make a key", &html! {}, &make(cx)))
            @let active: Vec<&Row> = view.rows.iter().filter(|row| row.state == "good").collect();
            @if !active.is_empty() {
                section .panel aria-labelledby="revoke" {
                    header { h2 #revoke { "Revoke a key" } }
                    @for row in active {
                        details .act {
                            summary { (said(&row.name)) " " code { (said(&row.id)) } }
                            (confirm(cx, &format!("revoke-{}", link_path(&row.id)),
                                &format!("/keys/{}/revoke", link_path(&row.id)),
                                "What uses it is refused from now on.", ("risky", "Revoke")))
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
            (field("name", "Name", "What it is for.", &html! {
                input #name name="name" required maxlength="64" autocomplete="off" aria-describedby="name-hint";
            }))
            (scopes("key"))
            div .grid {
                (field("tenant", "Tenant", "Empty: all.", &html! {
                    input #tenant name="tenant" autocomplete="off" aria-describedby="tenant-hint";
                }))
                (field("days", "Days", "Until it expires.", &html! {
                    input #days name="days" type="number" min="1" max="3650" value="90" aria-describedby="days-hint";
                }))
            }
            div .check {
                input #never type="checkbox" name="never" value="yes";
                label for="never" { "It never expires " span .muted { "(leave the days empty)" } }
            }
            div .actions { button .first { "Make it" } }
        },
    )
}

/// Boxes for the scopes, with what each lets do. `id` is their own on the page.
pub(in crate::web::console) fn scopes(id: &str) -> Markup {
    html! {
        fieldset .field {
            legend .label { "May" }
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
        Scope::EventsRead => "see what came in and what became of it",
        Scope::PayloadRead => "see bodies, headers and error texts",
        Scope::EventsReplay => "replay, discard, free lanes",
        Scope::EventsEdit => "edit a body and have it delivered, with payload:read",
        Scope::SourcesWrite => "pause and resume",
        Scope::SecretsWrite => "see and verify held requests",
        Scope::Admin => "everything, and who else may",
    }
}

fn list(cx: &PageContext, rows: &[Row]) -> Markup {
    let columns = [
        ("Name", TEXT),
        ("State", TEXT),
        ("May", WIDE),
        ("Tenant", TEXT),
        ("Made", TEXT),
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
