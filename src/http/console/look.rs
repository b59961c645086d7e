//! The pages on what came in, asked for.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::TryStreamExt;
use serde::Deserialize;

use super::acts::Form;
use super::answer::BodyQuery;
use super::desk;
use super::frame::Stage;
use super::pages::{event, events, held, overview, settings, sources, transfers};
use super::parts::Tab;
use crate::http::health::Operator;
use crate::operator::{OperatorError, Verified, capture};

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Before {
    before: String,
}

/// Whether anything is wrong.
pub(super) async fn overview(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    let view = desk::overview(&operator.console, &stage.viewer.caller).await;
    stage.answer(view.map(|view| overview::page(&stage, &view)))
}

/// The list of events.
pub(super) async fn events(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<desk::EventQuery>,
) -> HttpResponse {
    match desk::events(&operator.console, &stage.viewer.caller, &query).await {
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
    let view = desk::event(&operator.console, &stage.viewer.caller, &id, tab).await;
    stage.answer(view.map(|view| event::page(&stage, &view)))
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
        operator.console.insight.download(caller, id).await
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
    let console = &operator.console;
    let captured = async {
        let id = desk::event_id(&text)?;
        capture(&stage.viewer.caller, &operator.store, &console.gates, id, &[]).await
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
    let view = desk::transfers(&operator.console, &stage.viewer.caller, before).await;
    stage.answer(view.map(|view| transfers::page(&stage, &view)))
}

/// One transfer.
pub(super) async fn transfer(
    stage: Stage,
    operator: web::Data<Operator>,
    id: web::Path<String>,
) -> HttpResponse {
    let view = desk::transfer(&operator.console, &stage.viewer.caller, &id).await;
    stage.answer(view.map(|view| transfers::one(&stage, &view)))
}

/// The sources.
pub(super) async fn sources(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    let view = desk::sources(&operator.console, &stage.viewer.caller).await;
    stage.answer(view.map(|view| sources::page(&stage, &view)))
}

/// One source.
pub(super) async fn source(
    stage: Stage,
    operator: web::Data<Operator>,
    name: web::Path<String>,
) -> HttpResponse {
    let view = desk::source(&operator.console, &stage.viewer.caller, &name).await;
    stage.answer(view.map(|view| sources::one(&stage, &view)))
}

/// How a source is set up.
pub(super) async fn set_up(
    stage: Stage,
    operator: web::Data<Operator>,
    name: web::Path<String>,
) -> HttpResponse {
    let view = desk::source(&operator.console, &stage.viewer.caller, &name).await;
    stage.answer(view.map(|view| sources::set_up(&stage, &view)))
}

/// The settings.
pub(super) async fn settings(stage: Stage, operator: web::Data<Operator>) -> HttpResponse {
    let view = desk::settings(&operator.console, &stage.viewer.caller);
    stage.answer(view.map(|view| settings::page(&stage, &view)))
}

/// The held requests.
pub(super) async fn held(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<Before>,
) -> HttpResponse {
    let view = desk::held(&operator.console, &stage.viewer.caller, &query.before).await;
    stage.answer(view.map(|view| held::page(&stage, &view)))
}

/// One held request.
pub(super) async fn held_one(
    stage: Stage,
    operator: web::Data<Operator>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    let view = desk::held_one(&operator.console, &stage.viewer.caller, &id, tab).await;
    stage.answer(view.map(|view| held::one(&stage, &view)))
}

/// Verifies a held request again.
pub(super) async fn verify_held(
    stage: Stage,
    operator: web::Data<Operator>,
    text: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let id = desk::held_id(&text)?;
        let held = &operator.console.held;
        match held.verify(&stage.viewer.caller, id, form.reason()?).await? {
            Verified::Admitted(event) => Ok(format!("/events/{}?did=verified", event.event)),
            Verified::Refused(explained) => Err(OperatorError::Conflict(explained.text)),
        }
    };
    stage.go_on(done.await)
}

/// Removes a held request before its time.
pub(super) async fn discard_held(
    stage: Stage,
    operator: web::Data<Operator>,
    text: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let (held, id) = (&operator.console.held, desk::held_id(&text)?);
        held.discard(&stage.viewer.caller, id, form.reason()?).await?;
        Ok("/held?did=held-discarded".to_owned())
    };
    stage.go_on(done.await)
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
