//! The operator listener's health, readiness and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::api::Apis;
use super::caller::By;
use super::console::Console;
use super::denial::Denial;
use crate::operator::Scope;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What the operator listener needs.
#[derive(Clone)]
pub struct Operator {
    /// The database.
    pub store: Store,
    /// Whether the gateway is stopping.
    pub stopping: Arc<AtomicBool>,
    /// The metrics.
    pub metrics: Metrics,
    /// What applications may ask for.
    pub apis: Arc<Apis>,
    /// What people see and do.
    pub console: Console,
}

/// The process is there.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// It can take requests: the database answers, and it is not stopping.
pub(super) async fn readyz(operator: web::Data<Operator>) -> HttpResponse {
    if operator.stopping.load(Ordering::Relaxed) {
        return not_ready("stopping");
    }
    match operator.store.ping().await {
        Ok(_) => HttpResponse::Ok().json(json!({ "status": "ready" })),
        Err(_) => not_ready("the database does not answer"),
    }
}

/// Every metric, as Prometheus reads it. They are of all tenants together: whoever sees one only
/// does not get them.
pub(super) async fn metrics(
    operator: web::Data<Operator>,
    By(caller): By,
) -> Result<HttpResponse, Denial> {
    caller.needs(Scope::EventsRead)?;
    if caller.tenant().is_some() {
        return Err(Denial::AllTenants);
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4"))
        .body(operator.metrics.render()))
}

fn not_ready(why: &str) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, 5))
        .json(json!({ "status": "not ready", "reason": why }))
}
