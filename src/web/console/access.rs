//! Handlers of the API keys and users pages. A secret that is shown once is on the page that
//! answers the form; resubmitting the form fails because the name is taken.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use time::Duration;
use url::{Host, Url};

use super::acts::Form;
use super::layout::PageContext;
use super::pages::{keys, users};
use super::present;
use crate::admin::{AdminError, Expiry, Invitation, NewApiKey, NewUser, Scope, Scopes};
use crate::web::admin::AdminState;
use crate::web::session;

/// The fields of a form; some can occur more than once.
type Fields = web::Form<Vec<(String, String)>>;

/// The list of keys.
pub(super) async fn keys(request: HttpRequest, cx: PageContext) -> HttpResponse {
    let view = present::keys(&request, &cx, None).await;
    cx.answer(view.map(|view| keys::page(&cx, &view)))
}

/// Creates a key.
pub(super) async fn make_key(request: HttpRequest, cx: PageContext, form: Fields) -> HttpResponse {
    let made = async {
        let new = NewApiKey {
            name: field(&form, "name").to_owned(),
            scopes: scopes(&form)?,
            tenant: tenant(&cx, &form),
            expiry: expiry(field(&form, "days"), field(&form, "never") == "yes")?,
        };
        let made = session::access(&request)?.create_key(&cx.viewer.caller, &new).await?;
        present::keys(&request, &cx, Some(made.key.to_string())).await
    };
    cx.answer(made.await.map(|view| keys::page(&cx, &view)))
}

/// Revokes a key.
pub(super) async fn revoke_key(
    request: HttpRequest,
    cx: PageContext,
    id: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let access = session::access(&request)?;
        access.revoke_key(&cx.viewer.caller, &id, form.reason()?).await?;
        Ok("/keys?did=revoked".to_owned())
    };
    cx.go_on(done.await)
}

/// The list of users.
pub(super) async fn users(request: HttpRequest, cx: PageContext) -> HttpResponse {
    let view = present::users(&request, &cx, None).await;
    cx.answer(view.map(|view| users::page(&cx, &view)))
}

/// Invites a user.
pub(super) async fn add_user(
    request: HttpRequest,
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: Fields,
) -> HttpResponse {
    let added = async {
        let new = NewUser {
            name: field(&form, "name").to_owned(),
            scopes: scopes(&form)?,
            tenant: tenant(&cx, &form),
        };
        let invitation = session::access(&request)?.add_user(&cx.viewer.caller, &new).await?;
        let shown = (new.name, address(&request, &admin, &invitation), invitation.ended);
        present::users(&request, &cx, Some(shown)).await
    };
    cx.answer(added.await.map(|view| users::page(&cx, &view)))
}

/// Disables, enables or resets a user.
pub(super) async fn on_person(
    request: HttpRequest,
    cx: PageContext,
    admin: web::Data<AdminState>,
    path: web::Path<(String, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (name, verb) = path.into_inner();
    let caller = &cx.viewer.caller;
    if let Some(codes) = [("reset", false), ("reset-all", true)]
        .into_iter()
        .find_map(|(word, codes)| (word == verb).then_some(codes))
    {
        let reset = async {
            let access = session::access(&request)?;
            let invitation = access.reset_user(caller, &name, codes, form.reason()?).await?;
            let shown = (name.clone(), address(&request, &admin, &invitation), invitation.ended);
            present::users(&request, &cx, Some(shown)).await
        };
        return cx.answer(reset.await.map(|view| users::page(&cx, &view)));
    }
    let done = async {
        let access = session::access(&request)?;
        match &*verb {
            "disable" => drop(access.disable_user(caller, &name, form.reason()?).await?),
            "enable" => drop(access.enable_user(caller, &name, form.reason()?).await?),
            _ => return Err(AdminError::NotFound("page at this address".into())),
        }
        Ok(format!("/users?did={verb}d"))
    };
    cx.go_on(done.await)
}

fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()).unwrap_or_default()
}

fn scopes(form: &Fields) -> Result<Scopes, AdminError> {
    let words = form.iter().filter(|(name, _)| name == "scope");
    let read: Result<Scopes, _> = words.map(|(_, word)| word.parse::<Scope>()).collect();
    read.map_err(|error| AdminError::Invalid(error.to_string()))
}

/// The given tenant, or the caller's own.
fn tenant(cx: &PageContext, form: &Fields) -> Option<String> {
    let named = Some(field(form, "tenant")).filter(|tenant| !tenant.is_empty());
    named.or(cx.viewer.caller.tenant()).map(str::to_owned)
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
    format!("{base}/setup?token={}", *invitation.token)
}
