//! The operator listener's health, readiness and metrics.

use std::sync::atomic::Ordering;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::admin::AdminState;
use super::api::{Endpoint, Routes};
use super::caller::AuthenticatedCaller;
use super::denial::Denial;
use crate::admin::Scope;

#[derive(OpenApi)]
#[openapi(paths(healthz, readyz, metrics))]
struct Document;

/// Mounts health, readiness and metrics.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/healthz").ask(healthz));
    routes.add(Endpoint::new("/readyz").ask(readyz));
    routes.add(Endpoint::new("/metrics").get(metrics));
}

/// Whether the process is there, or can take requests.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Say that the process is there
#[utoipa::path(
    get, path = "/healthz", operation_id = "showHealth", tag = "gateway",
    responses((status = 200, description = "It is there", body = Health)),
)]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", reason: None })
}

/// Say whether the gateway can take requests
///
/// It can while the database can be written to, the last commits have succeeded, everything that
/// runs in the background does, and it is not stopping.
#[utoipa::path(
    get, path = "/readyz", operation_id = "showReadiness", tag = "gateway",
    responses((status = 200, description = "It can", body = Health),
              (status = 503, description = "It cannot", body = Health)),
)]
async fn readyz(admin: web::Data<AdminState>) -> HttpResponse {
    if admin.stopping.load(Ordering::Relaxed) {
        return not_ready("stopping");
    }
    if let Some(task) = admin.supervisor.down() {
        return not_ready(&format!("a background task is not running: {task}"));
    }
    match admin.store.fitness().await {
        Ok(()) => HttpResponse::Ok().json(Health { status: "ready", reason: None }),
        Err(unfit) => not_ready(&unfit.to_string()),
    }
}

/// Give every metric
///
/// As Prometheus reads them. They are of all tenants together: a key of one tenant does not get
/// them.
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
