//! Health, readiness and metrics on the admin listener.

use std::sync::atomic::Ordering;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::routes::{Endpoint, Routes};
use crate::admin::Scope;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(healthz, readyz, metrics))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/healthz").get_with_query(healthz));
    routes.add(Endpoint::new("/readyz").get_with_query(readyz));
    routes.add(Endpoint::new("/metrics").get(metrics));
}

/// The health of the process.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Check that the process is alive
#[utoipa::path(
    get, path = "/healthz", operation_id = "showHealth", tag = "gateway",
    responses((status = 200, description = "Alive", body = Health)),
)]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", reason: None })
}

/// Check that the gateway is ready
///
/// Ready means: the database is writable, recent commits succeeded, all background tasks are
/// running, and the gateway is not stopping.
#[utoipa::path(
    get, path = "/readyz", operation_id = "showReadiness", tag = "gateway",
    responses((status = 200, description = "Ready", body = Health),
              (status = 503, description = "Not ready", body = Health)),
)]
async fn readyz(admin: web::Data<AdminState>) -> HttpResponse {
    if admin.stopping.load(Ordering::Relaxed) {
        return not_ready("stopping");
    }
    if let Some(task) = admin.supervisor.down() {
        return not_ready(&format!("a background task is not running: {task}"));
    }
    match admin.store.check_writable().await {
        Ok(()) => HttpResponse::Ok().json(Health { status: "ready", reason: None }),
        Err(unfit) => not_ready(&unfit.to_string()),
    }
}

/// Get metrics
///
/// In the Prometheus text format. Requires an API key for all tenants.
#[utoipa::path(
    get, path = "/metrics", operation_id = "showMetrics", tag = "gateway",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The metrics", body = String,
               content_type = "text/plain")),
)]
async fn metrics(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<HttpResponse, Denial> {
    caller.needs_over_all(Scope::EventsRead)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4"))
        .body(admin.metrics.render()))
}

fn not_ready(why: &str) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, 5))
        .json(Health { status: "not ready", reason: Some(why.to_owned()) })
}
