//! Events: the list with its search, one event, and its downloads.

pub(super) mod detail;
pub(super) mod list;
mod shared;

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use futures_util::TryStreamExt;

pub(super) use self::list::{parse_time, rows};
pub(super) use self::shared::{ShownPayload, event_timeline, facts, payload, proof};
use super::layout::PageContext;
use super::parts::BodyQuery;
use crate::admin::{AdminError, capture};
use crate::store::EventId;
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/events", web::get().to(list))
        .route("/events/{id}", web::get().to(show))
        .route("/events/{id}/body", web::get().to(body))
        .route("/events/{id}/fixture", web::get().to(fixture));
}

async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<list::EventQuery>,
) -> HttpResponse {
    match list::load(&admin, &cx.viewer.caller, query.into_inner()).await {
        Ok(page) if page.invalid.is_some() => PageContext::invalid_form(list::page(&cx, &page)),
        page => cx.answer(page.map(|page| list::page(&cx, &page))),
    }
}

async fn show(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    query: web::Query<BodyQuery>,
) -> HttpResponse {
    cx.show(detail::load(&admin, &cx.viewer.caller, &id, query.tab()), detail::page).await
}

/// Downloads the body of an event; browsers never render it.
async fn body(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
) -> HttpResponse {
    let download = async {
        let event = parse_id(&id)?;
        admin.monitoring.download(&cx.viewer.caller, event).await
    };
    match download.await {
        Ok((_, pieces)) => attachment(&format!("{id}.bin"), "application/octet-stream")
            .streaming(Box::pin(pieces.map_err(actix_web::error::ErrorInternalServerError))),
        Err(error) => cx.answer(Err(error)),
    }
}

async fn fixture(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
) -> HttpResponse {
    let captured = async {
        let requested = (parse_id(&id)?, cx.now);
        capture(&cx.viewer.caller, &admin.store, &admin.verifiers, requested, &[]).await
    };
    match captured.await {
        Ok(captured) => attachment(&format!("{}.json", captured.name), "application/json")
            .body(serde_json::to_string_pretty(&captured.document).unwrap_or_default()),
        Err(error) => cx.answer(Err(error)),
    }
}

fn parse_id(text: &str) -> Result<EventId, AdminError> {
    let id = text.parse().map(EventId);
    id.map_err(|_| AdminError::Invalid(format!("invalid event id `{text}`")))
}

/// A download that browsers never render.
fn attachment(name: &str, media_type: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}
