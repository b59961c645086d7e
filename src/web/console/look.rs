//! Handlers of the overview, event, transfer, source and rejected request pages.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::TryStreamExt;
use serde::Deserialize;

use super::answer::BodyQuery;
use super::layout::PageContext;
use super::pages::{event, events, overview, rejected_requests, settings, sources, transfers};
use super::parts::Tab;
use super::present;
use crate::admin::capture;
use crate::web::admin::AdminState;

/// The cursor of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Before {
    before: String,
}

/// The overview.
pub(super) async fn overview(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    cx.show(present::overview(&admin, &cx.viewer.caller), overview::page).await
}

/// The list of events.
pub(super) async fn events(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<present::EventQuery>,
) -> HttpResponse {
    match present::events(&admin, &cx.viewer.caller, &query).await {
        Ok(view) if view.wrong.is_some() => PageContext::once_more(events::page(&cx, &view)),
        view => cx.answer(view.map(|view| events::page(&cx, &view))),
    }
}

/// One event.
pub(super) async fn event(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    cx.show(present::event(&admin, &cx.viewer.caller, &id, tab), event::page).await
}

/// Downloads the body of an event; browsers never render it.
pub(super) async fn body(
    cx: PageContext,
    admin: web::Data<AdminState>,
    text: web::Path<String>,
) -> HttpResponse {
    let caller = &cx.viewer.caller;
    let download = async {
        let id = present::event_id(&text)?;
        admin.monitoring.download(caller, id).await
    };
    match download.await {
        Ok((_, pieces)) => attachment(&format!("{text}.bin"), "application/octet-stream")
            .streaming(Box::pin(pieces.map_err(actix_web::error::ErrorInternalServerError))),
        Err(error) => cx.answer(Err(error)),
    }
}

/// Downloads an event as a fixture.
pub(super) async fn fixture(
    cx: PageContext,
    admin: web::Data<AdminState>,
    text: web::Path<String>,
) -> HttpResponse {
    let captured = async {
        let id = present::event_id(&text)?;
        let asked = (id, cx.now);
        capture(&cx.viewer.caller, &admin.store, &admin.gates, asked, &[]).await
    };
    match captured.await {
        Ok(captured) => attachment(&format!("{}.json", captured.name), "application/json")
            .body(serde_json::to_string_pretty(&captured.document).unwrap_or_default()),
        Err(error) => cx.answer(Err(error)),
    }
}

/// The transfers.
pub(super) async fn transfers(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<Before>,
) -> HttpResponse {
    let before = query.before.parse().unwrap_or(0);
    cx.show(present::transfers(&admin, &cx.viewer.caller, before), transfers::page).await
}

/// One transfer.
pub(super) async fn transfer(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
) -> HttpResponse {
    cx.show(present::transfer(&admin, &cx.viewer.caller, &id), transfers::one).await
}

/// The sources.
pub(super) async fn sources(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    cx.show(present::sources(&admin, &cx.viewer.caller), sources::page).await
}

/// One source.
pub(super) async fn source(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.show(present::source(&admin, &cx.viewer.caller, &name), sources::one).await
}

/// The set-up page of a source.
pub(super) async fn set_up(
    cx: PageContext,
    admin: web::Data<AdminState>,
    name: web::Path<String>,
) -> HttpResponse {
    cx.show(present::source(&admin, &cx.viewer.caller, &name), sources::set_up).await
}

/// The query of the rejected requests page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct HeldQuery {
    source: String,
    before: String,
}

/// The settings.
pub(super) async fn settings(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    let view = present::settings(&admin, &cx.viewer.caller);
    cx.answer(view.map(|view| settings::page(&cx, &view)))
}

/// The rejected requests.
pub(super) async fn rejected_requests(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<HeldQuery>,
) -> HttpResponse {
    let asked = (&*query.source, &*query.before);
    cx.show(present::held(&admin, &cx.viewer.caller, asked), rejected_requests::page).await
}

/// One rejected request.
pub(super) async fn held_one(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    let tab = Tab::read(query.view.as_deref());
    cx.show(present::held_one(&admin, &cx.viewer.caller, &id, tab), rejected_requests::one).await
}

/// A download, whatever its content.
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
