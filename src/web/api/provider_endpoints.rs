//! The provider endpoints for applications: `POST /api/v1/{provider}/{resource}`.
//!
//! The field `source` of the body selects the source; it is optional if only one source has the
//! endpoint. The rest is up to the provider: see
//! [`ProviderEndpoint`](crate::provider_endpoint::ProviderEndpoint). A call requires the scope
//! `sources:write`, and a key of one tenant reaches only that tenant's sources.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    self, ComponentsBuilder, Content, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder, SecurityRequirement,
};

use super::routes::{Endpoint, Routes};
use super::{body, idempotency};
use crate::admin::Scope;
use crate::provider_endpoint::{Call, Described, Fault, Made, Reply};
use crate::store::StoreError;
use crate::verify::parse;
use crate::web::admin::AdminState;
use crate::web::apis::Mounted;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

const PATH: &str = "/api/v1/{provider}/{resource}";
const DEADLINE: Duration = Duration::from_secs(10);

/// The part of the body that selects the source.
#[derive(Deserialize)]
struct Addressed {
    source: Option<String>,
}

pub(super) fn mount(routes: &mut Routes) {
    routes.add(Endpoint::new(PATH).call(call));
}

async fn call(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: HttpRequest,
    payload: web::Payload,
    admin: web::Data<AdminState>,
) -> Result<HttpResponse, Denial> {
    let apis = &admin.apis;
    let mounted = apis.find(&request, &caller).ok_or(Denial::NotFound(None))?;
    caller.needs(Scope::SourcesWrite)?;
    let key = idempotency::key(&request)?;
    let body = body::read(&request, payload, body::LIMIT).await?;
    let Addressed { source } = parse(&body).map_err(|(_, error)| Denial::Invalid(error))?;
    let mounted = choose(&mounted, source.as_deref())?;
    let call = Call {
        store: &admin.store,
        secret: &mounted.secret,
        now: apis.clock.now(),
        key: key.as_deref(),
        body: &body,
    };
    let answered = tokio::time::timeout(DEADLINE, mounted.api.create(call)).await;
    let reply = answered
        .unwrap_or_else(|_| Err(StoreError::timed_out().into()))
        .map_err(|fault| of_fault(fault, call.now))?;
    Ok(of_reply(&reply))
}

/// The selected source, or the only one.
fn choose<'m>(mounted: &[&'m Mounted], named: Option<&str>) -> Result<&'m Mounted, Denial> {
    let names = || mounted.iter().map(|one| one.source.as_str()).collect::<Vec<_>>().join(", ");
    match (named, mounted) {
        (Some(name), _) => {
            let found = mounted.iter().copied().find(|one| one.source == name);
            found.ok_or_else(|| Denial::Invalid(format!("`source` must be one of: {}", names())))
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(Denial::Invalid(format!("`source` is required; expected one of: {}", names())))
        }
    }
}

/// 201 for a created resource and its idempotent replay, 200 for an existing one.
fn of_reply(reply: &Reply) -> HttpResponse {
    let status = if reply.made == Made::Known { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = HttpResponse::build(status);
    if reply.made == Made::RetryUntil {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response.insert_header((header::CONTENT_TYPE, "application/json")).body(reply.body.to_string())
}

fn of_fault(fault: Fault, now: OffsetDateTime) -> Denial {
    match fault {
        Fault::Invalid(detail) => Denial::Invalid(detail),
        Fault::Conflict(detail) => Denial::Conflict(detail),
        Fault::KeyReused => Denial::KeyReused,
        Fault::Spent { limit, resets_at } => {
            let after = u64::try_from((resets_at - now).whole_seconds()).unwrap_or(0).max(1);
            Denial::BudgetSpent { limit, resets_at, after }
        }
        Fault::Store(error) => error.into(),
    }
}

/// The `OpenAPI` operation of an endpoint.
pub(super) fn document(provider: &str, described: &Described) -> openapi::OpenApi {
    let json = |schema: &str| {
        Content::new(Some(RefOr::<openapi::Schema>::Ref(Ref::from_schema_name(schema))))
    };
    let answer = |what: &str| {
        let answer = ResponseBuilder::new().description(what);
        answer.content("application/json", json(described.reply)).build()
    };
    let request = RequestBodyBuilder::new()
        .content("application/json", json(described.request))
        .required(Some(Required::True));
    let operation = OperationBuilder::new()
        .operation_id(Some(described.operation))
        .tag(provider)
        .summary(Some(described.summary))
        .description(Some(described.description))
        .request_body(Some(request.build()))
        .response("200", answer("Already exists"))
        .response(
            "201",
            answer("Created, by this request or an earlier one with the same Idempotency-Key"),
        )
        .response("404", ResponseBuilder::new().build())
        .security(SecurityRequirement::new("bearer", [Scope::SourcesWrite.as_str()]));
    let path = format!("/api/v1/{provider}/{}", described.resource);
    let item = PathItem::new(HttpMethod::Post, operation);
    let schemas = described.schemas.iter().cloned();
    OpenApiBuilder::new()
        .paths(PathsBuilder::new().path(path, item))
        .components(Some(ComponentsBuilder::new().schemas_from_iter(schemas).build()))
        .build()
}
