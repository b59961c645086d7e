//! Explains why a recorded request is rejected.

use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use super::answer::Done;
use super::body::{Body, LARGEST};
use super::query::{Name, Time};
use super::routes::{Endpoint, Routes};
use crate::admin::{self, Explanation, RecordedRequest, Repeat};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(explain))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // It changes nothing.
    routes.add(Endpoint::new("/api/v1/explanations").post(Repeat::Repeatable, explain));
}

/// A recorded request and the source to check it against.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordedRequest)]
struct Recorded {
    /// The source.
    #[schema(value_type = String, pattern = "^[!-~]{1,100}$")]
    source: Name,
    /// Its path; the last segment may be the action.
    path: Option<String>,
    /// Its query string, undecoded.
    query: Option<String>,
    /// Its headers, in order.
    headers: Vec<Header>,
    /// Its exact body; empty by default.
    body: Option<RecordedBody>,
    /// Its time of arrival; now by default.
    #[schema(value_type = Option<String>, format = DateTime)]
    received_at: Option<Time>,
}

/// A request header.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordedHeader)]
struct Header {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A request body: text, or bytes in base64.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RecordedBody {
    Text(String),
    Base64(Base64),
}

/// Bytes in base64.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$")]
struct Base64(Vec<u8>);

/// Explain why a request is rejected
///
/// Checks a recorded request against the secrets of the source, including retired ones. Nothing is
/// stored.
#[utoipa::path(
    post, path = "/api/v1/explanations", operation_id = "explainRequest", tag = "rejected requests",
    request_body = Recorded, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The explanation", body = Explanation),
              (status = 404, description = "Unknown source")),
)]
async fn explain(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(recorded): Body<Recorded, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<Explanation>, Denial> {
    let (verifiers, now) = (admin.verifiers.clone(), admin.clock.now());
    let source = recorded.source.0.clone();
    let request = recorded.request();
    // A large body is hashed once per secret.
    let explanation =
        web::block(move || admin::explain(&caller, &verifiers, &source, &request, now, &[]));
    Ok(Done(explanation.await.map_err(|_| Denial::Internal)??))
}

impl Recorded {
    fn request(self) -> RecordedRequest {
        let headers = self.headers.into_iter();
        let body = match self.body {
            None => Vec::new(),
            Some(RecordedBody::Text(text)) => text.into_bytes(),
            Some(RecordedBody::Base64(Base64(bytes))) => bytes,
        };
        RecordedRequest {
            path: self.path,
            query: self.query,
            headers: headers.map(|line| (line.name, line.value.into_bytes())).collect(),
            body: body.into(),
            received_at: self.received_at.map(|Time(time)| time),
        }
    }
}

impl TryFrom<String> for Base64 {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}
