//! Users of the console: list, invite, reset, disable.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use url::{Host, Url};

use super::{Fields, badges, checkboxes, field as value, scopes, tenant};
use crate::admin::actions::{Noun, Options, find_action};
use crate::admin::{AdminError, Ended, Invitation, NewUser, Reason, User, UserState};
use crate::web::admin::AdminState;
use crate::web::console::actions::offer_for;
use crate::web::console::layout::{Head, PageContext, Section, note};
use crate::web::console::parts::{
    BadgeTone, TEXT, WIDE, badge, command, count, empty, field, panel, post, table, visible, when,
};
use crate::web::session;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResetForm {
    reason: String,
    /// `yes` to turn two-factor authentication off too.
    codes: String,
}

pub(in crate::web::console) struct Page {
    pub(in crate::web::console) users: Vec<User>,
    /// The user just invited or reset.
    pub(in crate::web::console) invited: Option<Invited>,
}

/// A user just invited or reset.
pub(in crate::web::console) struct Invited {
    pub(in crate::web::console) name: String,
    /// The set-up link: only this page ever shows it.
    pub(in crate::web::console) link: String,
    /// The sessions and keys revoked by a reset.
    pub(in crate::web::console) ended: Option<Ended>,
}

impl Page {
    async fn load(
        request: &HttpRequest,
        cx: &PageContext,
        invited: Option<Invited>,
    ) -> Result<Self, AdminError> {
        let users = session::access(request)?.users(&cx.viewer.caller).await?;
        Ok(Self { users, invited })
    }
}

pub(super) async fn list(request: HttpRequest, cx: PageContext) -> HttpResponse {
    cx.show(Page::load(&request, &cx, None), page).await
}

pub(super) async fn invite(
    request: HttpRequest,
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: Fields,
) -> HttpResponse {
    let added = async {
        let new = NewUser {
            name: value(&form, "name").to_owned(),
            scopes: scopes(&form)?,
            tenant: tenant(&cx, &form),
        };
        let invitation = session::access(&request)?.add_user(&cx.viewer.caller, &new).await?;
        let link = address(&request, &admin, &invitation);
        let invited = Invited { name: new.name, link, ended: invitation.ended };
        Page::load(&request, &cx, Some(invited)).await
    };
    cx.show(added, page).await
}

pub(super) async fn reset(
    request: HttpRequest,
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
    form: web::Form<ResetForm>,
) -> HttpResponse {
    let reset = async {
        let action = find_action(Noun::User, "reset");
        let action = action.ok_or_else(|| AdminError::NotFound("page at this address".into()))?;
        let (caller, options) =
            (&cx.viewer.caller, Options { option: form.codes == "yes", value: None });
        let reason = Reason::new(&form.reason)?;
        let result = action.run(&admin, caller, &name, Some(&reason), options).await?;
        let invited = result.invitation.map(|invitation| Invited {
            name: name.to_string(),
            link: address(&request, &admin, &invitation),
            ended: result.ended,
        });
        Page::load(&request, &cx, invited).await
    };
    cx.show(reset, page).await
}

/// The absolute address of a link: at the configured URL, else at the request's `Host`. Forwarding
/// headers are not trusted here.
fn address(request: &HttpRequest, admin: &AdminState, invitation: &Invitation) -> String {
    let base = admin.public_url.clone().or_else(|| {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        // Browsers accept the session cookie over plain HTTP only on localhost.
        let url = Url::parse(&format!("http://{host}")).ok()?;
        let is_here = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        Some(format!("{}://{host}", if is_here { "http" } else { "https" }))
    });
    let base = base.unwrap_or_else(|| admin.base.clone());
    format!("{base}{}", *invitation.path)
}

pub(in crate::web::console) fn page(cx: &PageContext, view: &Page) -> Markup {
    let head = Head {
        title: "Users",
        lead: "Console users and their scopes.",
        section: Some(Section::Users),
        ..Head::default()
    };
    cx.page(&head, &html! {
        @if let Some(Invited { name, link, ended }) = &view.invited {
            @if let Some(ended) = ended.as_ref().filter(|ended| **ended != Ended::default()) {
                (note("ended", BadgeTone::Warn, &ended_summary(ended)))
            }
            (note("invited", BadgeTone::Good, &html! {
                "Send this link to " (visible(name)) ". It works once, within 24 hours, and is not shown again."
            }))
            div .panel { div .pad { (command("invited", "Set-up link", link)) } }
        }
        section .panel aria-label="Users" {
            @if view.users.is_empty() { (empty("No users", "Invite one below.")) }
            @else { (rows(cx, &view.users)) }
        }
        div .two {
            (panel("Invite a user", &html! {}, &post(cx, "/users", "form", &html! {
                (field("name", "Name", "The user signs in with this name.", &html! {
                    input #name name="name" required maxlength="64" autocomplete="off" aria-describedby="name-hint";
                }))
                (checkboxes("person"))
                (field("tenant", "Tenant", "Empty for all tenants.", &html! {
                    input #tenant name="tenant" autocomplete="off" aria-describedby="tenant-hint";
                }))
                div .actions { button .first { "Create link" } }
            })))
            @let others: Vec<&User> = view.users.iter()
                .filter(|user| user.name != cx.viewer.caller.actor()).collect();
            @if !others.is_empty() {
                section .panel aria-labelledby="change" {
                    header { h2 #change { "Manage users" } }
                    @for user in others { (acts(cx, user)) }
                }
            }
        }
    })
}

fn acts(cx: &PageContext, user: &User) -> Markup {
    let verbs: &[&str] =
        if user.state == UserState::Disabled { &["enable"] } else { &["reset", "disable"] };
    html! {
        @for verb in verbs { (offer_for(cx, Noun::User, verb, (&user.name, &user.name))) }
    }
}

fn ended_summary(ended: &Ended) -> Markup {
    html! {
        (count(ended.sessions, "session", "sessions")) " ended"
        @if ended.keys.is_empty() { "; no active API keys." } @else {
            ". Revoked API keys: "
            @for (place, key) in ended.keys.iter().enumerate() {
                @if place > 0 { ", " }
                (visible(&key.name)) " " code { (visible(&key.id)) }
            }
            "."
        }
    }
}

fn rows(cx: &PageContext, users: &[User]) -> Markup {
    let columns = [
        ("Name", TEXT),
        ("State", TEXT),
        ("Scopes", WIDE),
        ("Tenant", TEXT),
        ("Two-factor", TEXT),
        ("Last sign-in", TEXT),
    ];
    let rows: Vec<Vec<Markup>> = users.iter().map(|user| vec![
        html! { span .said { (visible(&user.name)) } },
        badge(user.state.as_str(), BadgeTone::of(user.state.as_str())),
        badges(user.scopes),
        html! { @match &user.tenant { Some(tenant) => (visible(tenant)), None => span .muted { "all" }, } },
        html! {
            @if user.codes_since.is_some() { (badge("on", BadgeTone::Good)) }
            @else { (badge("off", BadgeTone::Plain)) }
        },
        html! { @match user.signed_in_at {
            Some(at) => (when(at, cx.now)), None => span .muted { "never" },
        } },
    ]).collect();
    table("Users", &columns, &rows)
}
