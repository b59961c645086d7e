//! The calls of applications, on the operator listener: `POST /api/v1/{provider}/{resource}`.
//!
//! Which source is meant stands in the body, as `source`; it may be left out where only one has
//! what is asked for. What a call is about is its provider's matter: see [`Api`]. It needs the scope
//! `sources:write`, and a key of one tenant reaches only that tenant's sources: others are, for it,
//! not there.

mod body;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::info;

use super::caller::By;
use super::health::Operator;
use super::problem::{Particulars, Problem};
use super::receive::RequestIds;
use crate::api::{Api, Call, Fault, Made, Reply};
use crate::clock::SharedClock;
use crate::gate::{Secret, parse};
use crate::operator::{Caller, Denied, Scope};
use crate::store::StoreError;

/// The path of every call.
pub(super) const PATH: &str = "/api/v1/{provider}/{resource}";
/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The header that says which requests are the same.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What applications may ask of which source.
pub struct Apis {
    by_path: HashMap<(&'static str, &'static str), Vec<Mounted>>,
    clock: SharedClock,
    requests: RequestIds,
}

struct Mounted {
    tenant: String,
    source: String,
    secret: Secret,
    api: Arc<dyn Api>,
}

/// A call that goes no further, and what is said about it.
type Stop = (Problem, Particulars);

/// Of a body, which source is meant.
#[derive(Deserialize)]
struct Addressed {
    source: Option<String>,
}

impl Apis {
    /// None yet.
    pub fn new(clock: SharedClock, requests: RequestIds) -> Self {
        Self { by_path: HashMap::new(), clock, requests }
    }

    /// Mounts what a tenant's `source` of `provider` can be asked for; `secret` is what it signs
    /// with.
    pub fn add(
        &mut self,
        provider: &'static str,
        (tenant, source): (&str, &str),
        secret: Secret,
        api: Arc<dyn Api>,
    ) {
        let mounted = self.by_path.entry((provider, api.resource())).or_default();
        let (tenant, source) = (tenant.to_owned(), source.to_owned());
        mounted.push(Mounted { tenant, source, secret, api });
    }

    /// What is mounted there, of what the caller may see; empty where there is nothing.
    fn find(&self, request: &HttpRequest, caller: &Caller) -> Vec<&Mounted> {
        let part = |name| request.match_info().get(name).unwrap_or_default();
        let wanted = (part("provider"), part("resource"));
        let found = self.by_path.iter().filter(|(path, _)| **path == wanted);
        let own = |mounted: &&Mounted| caller.tenant().is_none_or(|own| mounted.tenant == own);
        found.flat_map(|(_, mounted)| mounted).filter(own).collect()
    }
}

/// Answers one call.
pub(super) async fn call(
    request: HttpRequest,
    payload: web::Payload,
    operator: web::Data<Operator>,
    By(caller): By,
) -> HttpResponse {
    let id = operator.apis.requests.next();
    let guarded = std::panic::AssertUnwindSafe(answer_to(&request, payload, &operator, &caller));
    let answered = guarded.catch_unwind().await.unwrap_or_else(|_| {
        metrics::counter!("sealpost_panics_total").increment(1);
        Err(Problem::Internal.into())
    });
    let response = match answered {
        Ok(reply) => of_reply(&reply, &id),
        Err((problem, particulars)) => problem.respond_saying(&id, &particulars),
    };
    let status = response.status().as_u16();
    info!(event = "api.call", request_id = id, path = request.path(), status, "answered a call");
    metrics::counter!("sealpost_api_calls_total", "status" => status.to_string()).increment(1);
    response
}

async fn answer_to(
    request: &HttpRequest,
    payload: web::Payload,
    operator: &Operator,
    caller: &Caller,
) -> Result<Reply, Stop> {
    let apis = &operator.apis;
    let mounted = apis.find(request, caller);
    if mounted.is_empty() {
        return Err(Problem::NotFound.into());
    }
    caller.needs(Scope::SourcesWrite).map_err(|denied| of_denied(&denied))?;
    if request.method() != actix_web::http::Method::POST {
        return Err(Problem::MethodNotAllowed.into());
    }
    let key = idempotency_key(request)?;
    let body = body::read(request, payload).await?;
    let Addressed { source } = parse(&body).map_err(|(_, error)| invalid(&error))?;
    let mounted = choose(&mounted, source.as_deref())?;
    let call = Call {
        store: &operator.store,
        secret: &mounted.secret,
        now: apis.clock.now(),
        key: key.as_deref(),
        body: &body,
    };
    let answered = tokio::time::timeout(DEADLINE, mounted.api.create(call)).await;
    answered
        .unwrap_or_else(|_| Err(StoreError::timed_out().into()))
        .map_err(|fault| of_fault(&fault, call.now))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Stop> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(key) = keys.next() else { return Ok(None) };
    let key = key.to_str().unwrap_or_default();
    let shaped = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if shaped && keys.next().is_none() {
        Ok(Some(key.to_owned()))
    } else {
        Err(invalid(&"Idempotency-Key must be one, of 1 to 255 visible characters"))
    }
}

/// The source that is named; the only one, where none is.
fn choose<'m>(mounted: &[&'m Mounted], named: Option<&str>) -> Result<&'m Mounted, Stop> {
    let names = || mounted.iter().map(|one| one.source.as_str()).collect::<Vec<_>>().join(", ");
    match (named, mounted) {
        (Some(name), _) => {
            let found = mounted.iter().copied().find(|one| one.source == name);
            found.ok_or_else(|| invalid(&format!("`source` must be one of: {}", names())))
        }
        (None, [only]) => Ok(only),
        (None, _) => Err(invalid(&format!("`source` must say which is meant: {}", names()))),
    }
}

/// What is new is 201, and its repetition too; what was there is 200. It may hold a token.
fn of_reply(reply: &Reply, request_id: &str) -> HttpResponse {
    let status = if reply.made == Made::Known { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = HttpResponse::build(status);
    if reply.made == Made::Again {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response
        .insert_header(("x-request-id", request_id))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(reply.body.to_string())
}

fn of_fault(fault: &Fault, now: OffsetDateTime) -> Stop {
    match fault {
        Fault::Invalid(detail) => invalid(detail),
        Fault::Conflict(detail) => (
            Problem::Conflict,
            Particulars { detail: Some(detail.clone()), ..Particulars::default() },
        ),
        Fault::KeyReused => Problem::KeyReused.into(),
        Fault::Spent { limit, resets_at } => {
            let after = u64::try_from((*resets_at - now).whole_seconds()).unwrap_or(0).max(1);
            let particulars = Particulars {
                detail: None,
                limit: Some(*limit),
                resets_at: resets_at.format(&Rfc3339).ok(),
            };
            (Problem::BudgetSpent { after }, particulars)
        }
        Fault::Store(StoreError::Unavailable(_)) => Problem::unavailable().into(),
        Fault::Store(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "a call failed");
            Problem::Internal.into()
        }
    }
}

fn of_denied(denied: &Denied) -> Stop {
    let detail = Some(denied.to_string());
    (Problem::Forbidden, Particulars { detail, ..Particulars::default() })
}

fn invalid(detail: &dyn std::fmt::Display) -> Stop {
    (Problem::Invalid, Particulars { detail: Some(detail.to_string()), ..Particulars::default() })
}
