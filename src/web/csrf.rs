//! Cross-site request forgery protection for changes with a session.

use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use bytes::Bytes;
use url::form_urlencoded;

use super::denial::Denial;
use super::form;
use crate::admin::Session;

/// The header with the CSRF token, for scripts.
const HEADER: &str = "x-sealpost-csrf";
/// The form field with the CSRF token.
const FIELD: &str = "csrf";

/// Whether the method is safe.
pub(super) fn is_safe(request: &ServiceRequest) -> bool {
    request.method().is_safe()
}

/// Whether the browser reports a cross-site request.
pub(super) fn is_cross_site(request: &ServiceRequest) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| site.as_bytes() == b"cross-site")
}

/// Rejects cross-site requests.
///
/// With `no-referrer`, browsers send `Origin: null` with a form even to the same site; such
/// requests are checked by `Sec-Fetch-Site`.
pub(super) fn check_origin(request: &ServiceRequest) -> Result<(), Denial> {
    let text = |name: &str| {
        let value = request.headers().get(name);
        value.map(|value| value.to_str().unwrap_or("?"))
    };
    let site = text("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return Err(Denial::CsrfFailed);
    }
    let Some(origin) = text("origin") else { return Ok(()) };
    let own = text("host").unwrap_or_default();
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    if authority == Some(own) || (origin == "null" && site == Some("same-origin")) {
        Ok(())
    } else {
        Err(Denial::CsrfFailed)
    }
}

/// Requires the session's CSRF token in the header or in the form, which is read if necessary.
pub(super) async fn check_token(
    request: &mut ServiceRequest,
    form: Option<Bytes>,
    session: &Session,
) -> Result<(), Denial> {
    if let Some(value) = request.headers().get(HEADER) {
        let value = value.to_str().unwrap_or_default();
        return if session.repeats(value) { Ok(()) } else { Err(Denial::CsrfFailed) };
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Denial::CsrfFailed);
    }
    let limit = form::limit(request.path(), false);
    let form = match form {
        Some(form) => form,
        None => form::take(request, limit).await?,
    };
    let mut fields = form_urlencoded::parse(&form);
    let token = fields.find(|(name, _)| name == FIELD).map(|(_, token)| token.into_owned());
    if token.is_some_and(|token| session.repeats(&token)) {
        Ok(())
    } else {
        Err(Denial::CsrfFailed)
    }
}
