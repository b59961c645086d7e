//! Why a request is refused: of one that somebody wrote down.

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

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    // It changes nothing.
    routes.add(Endpoint::new("/api/v1/explanations").post(Repeat::Repeatable, explain));
}

/// A request that was written down, and the source that it is held against.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordedRequest)]
struct Recorded {
    /// The source.
    #[schema(value_type = String, pattern = "^[!-~]{1,100}$")]
    source: Name,
    /// Its path; the last part may be the action.
    path: Option<String>,
    /// Its query, undecoded.
    query: Option<String>,
    /// Its headers, in order.
    headers: Vec<Header>,
    /// Its body, exactly; without it an empty one.
    body: Option<RecordedBody>,
    /// When it arrived; now where nobody says.
    #[schema(value_type = Option<String>, format = DateTime)]
    received_at: Option<Time>,
}

/// A line of a request's head.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordedHeader)]
struct Header {
    name: String,
    value: String,
}

/// The body of a request: a text, or any bytes in base64.
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

/// Why a request is refused, or that it is not. It holds neither a signature nor a secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// The source that it was held against.
    source: String,
    /// Whether it is let in.
    verifies: bool,
    /// The word under which it is refused, as in the log.
    reason: Option<String>,
    /// The word of what is found, which says more.
    finding: String,
    /// What is found, in a sentence or two.
    text: String,
    /// What to do about it.
    hint: Option<String>,
    /// The fingerprint of the secret that made the signature, where one did.
    secret: Option<String>,
    /// The time of arrival that it was judged by.
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
}

/// Say why a request is refused
///
/// It is held against the secrets of its source, those that are retired too. Nothing is stored.
#[utoipa::path(
    post, path = "/api/v1/explanations", operation_id = "explainRequest", tag = "refusals",
    request_body = Recorded, security(("bearer" = ["secrets:write"])),
    responses((status = 200, description = "Why", body = Explanation),
              (status = 404, description = "There is no such source")),
)]
async fn explain(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Body(recorded): Body<Recorded, LARGEST>,
    admin: web::Data<AdminState>,
) -> Result<Done<Explanation>, Denial> {
    let (gates, now) = (admin.gates.clone(), admin.clock.now());
    let source = recorded.source.0.clone();
    let request = recorded.request();
    // A large body is hashed once for every secret.
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
