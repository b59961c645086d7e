//! Handlers of the dead letter, destination and alert pages.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::layout::PageContext;
use super::pages::{alerts, dead_letters, delivery, destination, destinations};
use super::parts::Tab;
use super::present;
use crate::admin::AdminError;
use crate::web::admin::AdminState;
use crate::web::problem::Problem;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    pub(super) source: String,
    pub(super) handler: String,
    pub(super) reason: String,
    pub(super) which: String,
    pub(super) before: i64,
}

/// The query of a page with a body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BodyQuery {
    pub(super) view: Option<String>,
}

/// The list of dead letters.
pub(super) async fn dead_letters(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    cx.show(present::dead_letters(&admin, &cx.viewer.caller, &query), dead_letters::page).await
}

/// One delivery.
pub(super) async fn delivery(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    cx.show(present::delivery(&admin, &cx.viewer.caller, &id, tab), delivery::page).await
}

/// The list of destinations.
pub(super) async fn destinations(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    cx.show(present::destinations(&admin, &cx.viewer.caller), destinations::page).await
}

/// One destination.
pub(super) async fn destination(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.show(present::destination(&admin, &cx.viewer.caller, &name), destination::page).await
}

/// The list of alerts.
pub(super) async fn alerts(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    let all = query.which == "all";
    cx.show(present::alerts(&admin, &cx.viewer.caller, all), alerts::page).await
}

/// The 404 response: a page for browsers, a problem document for other clients.
pub(super) async fn nothing(request: HttpRequest, cx: PageContext) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT);
    let reads_pages = accepts
        .is_some_and(|accepts| accepts.as_bytes().windows(9).any(|part| part == b"text/html"));
    if reads_pages && !request.path().starts_with("/api/") {
        cx.answer(Err(AdminError::NotFound("page at this address".to_owned())))
    } else {
        Problem::NotFound.respond("")
    }
}
