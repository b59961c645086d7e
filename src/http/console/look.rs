//! The pages on what came in, asked for.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::TryStreamExt;
use serde::Deserialize;

use super::answer::BodyQuery;
use super::desk;
use super::frame::Stage;
use super::pages::{event, events, held, overview, settings, sources, transfers};
use super::parts::Tab;
use crate::http::operator::Operator;
use crate::operator::capture;

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Before {
    before: String,
}

/// Whether anything is wrong.
pub(super) async fn overview(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    stage.show(desk::overview(&operator, &stage.viewer.caller), overview::page).await
}

/// The list of events.
pub(super) async fn events(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<desk::EventQuery>,
) -> HttpResponse {
    match desk::events(&operator, &stage.viewer.caller, &query).await {
        Ok(view) if view.wrong.is_some() => Stage::once_more(events::page(&stage, &view)),
        view => stage.answer(view.map(|view| events::page(&stage, &view))),
    }
}

/// One event.
pub(super) async fn event(
    stage: Stage,
    operator: web::Data<Operator>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    stage.show(desk::event(&operator, &stage.viewer.caller, &id, tab), event::page).await
}

/// The body of an event, to be kept: never shown by the browser.
pub(super) async fn body(
    stage: Stage,
    operator: web::Data<Operator>,
    text: web::Path<String>,
) -> HttpResponse {
    let caller = &stage.viewer.caller;
    let download = async {
        let id = desk::event_id(&text)?;
        operator.insight.download(caller, id).await
    };
    match download.await {
        Ok((_, pieces)) => attachment(&format!("{text}.bin"), "application/octet-stream")
            .streaming(Box::pin(pieces.map_err(actix_web::error::ErrorInternalServerError))),
        Err(error) => stage.answer(Err(error)),
    }
}

/// An event as a fixture, to be kept.
pub(super) async fn fixture(
    stage: Stage,
    operator: web::Data<Operator>,
    text: web::Path<String>,
) -> HttpResponse {
    let captured = async {
        let id = desk::event_id(&text)?;
        let asked = (id, stage.now);
        capture(&stage.viewer.caller, &operator.store, &operator.gates, asked, &[]).await
    };
    match captured.await {
        Ok(captured) => attachment(&format!("{}.json", captured.name), "application/json")
            .body(serde_json::to_string_pretty(&captured.document).unwrap_or_default()),
        Err(error) => stage.answer(Err(error)),
    }
}

/// The transfers.
pub(super) async fn transfers(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<Before>,
) -> HttpResponse {
    let before = query.before.parse().unwrap_or(0);
    stage.show(desk::transfers(&operator, &stage.viewer.caller, before), transfers::page).await
}

/// One transfer.
pub(super) async fn transfer(
    stage: Stage,
    operator: web::Data<Operator>,
    id: web::Path<String>,
) -> HttpResponse {
    stage.show(desk::transfer(&operator, &stage.viewer.caller, &id), transfers::one).await
}

/// The sources.
pub(super) async fn sources(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    stage.show(desk::sources(&operator, &stage.viewer.caller), sources::page).await
}

/// One source.
pub(super) async fn source(
    stage: Stage,
    operator: web::Data<Operator>,
    name: web::Path<String>,
) -> HttpResponse {
    stage.show(desk::source(&operator, &stage.viewer.caller, &name), sources::one).await
}

/// How a source is set up.
pub(super) async fn set_up(
    stage: Stage,
    operator: web::Data<Operator>,
    name: web::Path<String>,
) -> HttpResponse {
    stage.show(desk::source(&operator, &stage.viewer.caller, &name), sources::set_up).await
}

/// What the address of the held requests can say.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct HeldQuery {
    source: String,
    before: String,
}

/// The settings.
pub(super) async fn settings(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    let view = desk::settings(&operator, &stage.viewer.caller);
    stage.answer(view.map(|view| settings::page(&stage, &view)))
}

/// The held requests.
pub(super) async fn held(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<HeldQuery>,
) -> HttpResponse {
    let asked = (&*query.source, &*query.before);
    stage.show(desk::held(&operator, &stage.viewer.caller, asked), held::page).await
}

/// One held request.
pub(super) async fn held_one(
    stage: Stage,
    operator: web::Data<Operator>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    stage.show(desk::held_one(&operator, &stage.viewer.caller, &id, tab), held::one).await
}

/// What is kept and not shown, whatever is in it.
fn attachment(name: &str, kind: &'static str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}
