//! The pages, asked for.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::desk;
use super::frame::Stage;
use super::pages::{alerts, dead_letters, delivery, destinations};
use super::parts::Tab;
use crate::http::health::Operator;
use crate::http::problem::Problem;
use crate::operator::OperatorError;

/// What the address of a list can say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    pub(super) source: String,
    pub(super) handler: String,
    pub(super) reason: String,
    pub(super) which: String,
    pub(super) before: i64,
}

/// What the address of something with a body can say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BodyQuery {
    pub(super) view: Option<String>,
}

/// The list of dead letters.
pub(super) async fn dead_letters(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    let view = desk::dead_letters(&operator.console, &stage.viewer.caller, &query).await;
    stage.answer(view.map(|view| dead_letters::page(&stage, &view)))
}

/// One delivery.
pub(super) async fn delivery(
    stage: Stage,
    operator: web::Data<Operator>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    let view = desk::delivery(&operator.console, &stage.viewer.caller, &id, tab).await;
    stage.answer(view.map(|view| delivery::page(&stage, &view)))
}

/// The list of destinations.
pub(super) async fn destinations(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    let view = desk::destinations(&operator.console, &stage.viewer.caller).await;
    stage.answer(view.map(|view| destinations::page(&stage, &view)))
}

/// The list of alerts.
pub(super) async fn alerts(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<ListQuery>,
) -> HttpResponse {
    let all = query.which == "all";
    let view = desk::alerts(&operator.console, &stage.viewer.caller, all).await;
    stage.answer(view.map(|view| alerts::page(&stage, &view)))
}

/// What is said where there is nothing: a page to who reads pages.
pub(super) async fn nothing(request: HttpRequest, stage: Stage) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT);
    let reads_pages = accepts
        .is_some_and(|accepts| accepts.as_bytes().windows(9).any(|part| part == b"text/html"));
    if reads_pages && !request.path().starts_with("/api/") {
        stage.answer(Err(OperatorError::NotFound("page at this address".to_owned())))
    } else {
        Problem::NotFound.respond("")
    }
}
