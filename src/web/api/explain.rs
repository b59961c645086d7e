//! Explains why a recorded request is rejected.

use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::Done;
use super::body::{Body, LARGEST};
use super::query::{Name, Time};
use super::routes::{Endpoint, Routes};
use crate::admin::{self, RecordedRequest, Repeat};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(explain))]
struct Document;

/// Adds the routes.
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
    name: String,
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

/// The verification result of a request. It contains neither a signature nor a secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// The source it was checked against.
    source: String,
    /// Whether it is accepted.
    verifies: bool,
    /// The rejection reason, as in the log.
    reason: Option<String>,
    /// The detailed finding.
    finding: String,
    /// The finding in a sentence or two.
    text: String,
    /// The suggested fix.
    hint: Option<String>,
    /// The fingerprint of the secret that produced the signature, if known.
    secret: Option<String>,
    /// The time of arrival used for the check.
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
}

/// Explain why a request is rejected
///
/// Checks a recorded request against the secrets of the source, including retired ones. Nothing is
/// stored.
#[utoipa::path(
    post, path = "/api/v1/explanations", operation_id = "explainRequest", tag = "refusals",
    request_body = Recorded, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "The explanation", body = Explanation),
              (status = 404, description = "Unknown source")),
)]
async fn explain(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(recorded): Body<Recorded, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<Explanation>, Denial> {
    let (gates, now) = (admin.gates.clone(), admin.clock.now());
    let source = recorded.source.0.clone();
    let request = recorded.request();
    // A large body is hashed once per secret.
    let explained =
        web::block(move || admin::explain(&caller, &gates, &source, &request, now, &[]));
    let explained = explained.await.map_err(|_| Denial::Internal)??;
    Ok(Done(Explanation::new(explained)))
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

impl Explanation {
    pub(super) fn new(explained: admin::Explained) -> Self {
        Self {
            source: explained.source,
            verifies: explained.verifies,
            reason: explained.reason.map(str::to_owned),
            finding: explained.finding.to_owned(),
            text: explained.text,
            hint: explained.hint,
            secret: explained.secret,
            received_at: explained.received_at,
        }
    }
}
