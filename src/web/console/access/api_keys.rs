//! API keys: list, create, revoke. The key itself is shown once.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use time::Duration;

use super::{Fields, badges, checkboxes, field as value, scopes, tenant};
use crate::admin::actions::Noun;
use crate::admin::{AdminError, ApiKey, ApiKeyState, Expiry, NewApiKey};
use crate::web::console::actions::offer_for;
use crate::web::console::layout::{Head, PageContext, Section, note};
use crate::web::console::parts::{
    BadgeTone, TEXT, WIDE, badge, command, empty, field, panel, post, table, visible, when,
};
use crate::web::session;

pub(in crate::web::console) struct Page {
    pub(in crate::web::console) keys: Vec<ApiKey>,
    /// The key that was just created: only this page ever shows it.
    pub(in crate::web::console) made: Option<String>,
}

impl Page {
    async fn load(
        request: &HttpRequest,
        cx: &PageContext,
        made: Option<String>,
    ) -> Result<Self, AdminError> {
        let keys = session::access(request)?.keys(&cx.viewer.caller).await?;
        Ok(Self { keys, made })
    }
}

pub(super) async fn list(request: HttpRequest, cx: PageContext) -> HttpResponse {
    cx.show(Page::load(&request, &cx, None), page).await
}

pub(super) async fn create(request: HttpRequest, cx: PageContext, form: Fields) -> HttpResponse {
    let made = async {
        let new = NewApiKey {
            name: value(&form, "name").to_owned(),
            scopes: scopes(&form)?,
            tenant: tenant(&cx, &form),
            expiry: expiry(value(&form, "days"), value(&form, "never") == "yes")?,
        };
        let made = session::access(&request)?.create_key(&cx.viewer.caller, &new).await?;
        Page::load(&request, &cx, Some(made.key.to_string())).await
    };
    cx.show(made, page).await
}

/// The expiry. A key that never expires must be requested explicitly; an empty field is an error.
fn expiry(days: &str, never: bool) -> Result<Expiry, AdminError> {
    let invalid = |text: &str| AdminError::Invalid(text.to_owned());
    match (days.is_empty(), never) {
        (true, true) => return Ok(Expiry::Never),
        (true, false) => {
            return Err(invalid("enter the number of days, or select `Never expires`"));
        }
        (false, true) => return Err(invalid("leave the days empty for a key that never expires")),
        (false, false) => {}
    }
    let days = days.parse::<u16>().ok().filter(|days| (1..=3650).contains(days));
    let days = days.ok_or_else(|| invalid("days must be a number from 1 to 3650"))?;
    Ok(Expiry::After(Duration::days(days.into())))
}

pub(in crate::web::console) fn page(cx: &PageContext, view: &Page) -> Markup {
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
            @if view.keys.is_empty() { (empty("No API keys", "Create one below.")) }
            @else { (rows(cx, &view.keys)) }
        }
        div .two {
            (panel("Create a key", &html! {}, &make(cx)))
            @let active: Vec<&ApiKey> = view.keys.iter()
                .filter(|key| key.state == ApiKeyState::Good).collect();
            @if !active.is_empty() {
                section .panel aria-labelledby="revoke" {
                    header { h2 #revoke { "Revoke a key" } }
                    @for key in active {
                        (offer_for(cx, Noun::ApiKey, "revoke", (&key.id, &key.name)))
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
            (checkboxes("key"))
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

fn rows(cx: &PageContext, keys: &[ApiKey]) -> Markup {
    let columns = [
        ("Name", TEXT),
        ("State", TEXT),
        ("Scopes", WIDE),
        ("Tenant", TEXT),
        ("Created", TEXT),
        ("Expires", TEXT),
        ("Last used", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = keys.iter().map(|key| vec![
        html! { span .said { (visible(&key.name)) } span .under { code { (visible(&key.id)) } } },
        badge(key.state.as_str(), BadgeTone::of(key.state.as_str())),
        badges(key.scopes),
        html! { @match &key.tenant { Some(tenant) => (visible(tenant)), None => span .muted { "all" }, } },
        html! { (when(key.created_at, cx.now)) span .under { (visible(&key.created_by)) } },
        html! { @match key.expires_at {
            Some(at) => (when(at, cx.now)), None => span .muted { "never" },
        } },
        html! { @match key.last_used_at {
            Some(at) => (when(at, cx.now)), None => span .muted { "never" },
        } },
    ]).collect();
    table("API keys", &columns, &rows)
}
