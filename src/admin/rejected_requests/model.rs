//! Rejected requests as users see them: in the API, on the command line and in the console.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::admin::{Encoding, Explanation, RecordedRequest};
pub use crate::store::RejectedRequest;

/// A rejected request with its content and explanation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RejectedRequestDetail {
    /// The rejected request.
    pub request: RejectedRequest,
    /// Its headers and body; null without the scope `payload:read`, and once it is an event.
    pub payload: Option<RejectedRequestPayload>,
    /// Why it is rejected by the current secrets; null once it is an event.
    pub explanation: Option<Explanation>,
}

/// The content of a rejected request: untrusted data from the client; never render it. `sealpost
/// explain` accepts it as a recorded request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedRequestPayload {
    /// Its path.
    pub path: Option<String>,
    /// Its query string, undecoded.
    pub query: Option<String>,
    /// Its headers, in order. Names that begin with a colon are metadata and not headers.
    pub headers: Vec<RejectedRequestHeader>,
    /// The encoding of `body`.
    pub encoding: Encoding,
    /// Its complete body.
    pub body: String,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339::option")]
    pub received_at: Option<OffsetDateTime>,
}

/// A header as received, except for bytes that are not text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedRequestHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl RejectedRequestDetail {
    /// Whether the payload is left out, because the caller may not read it. Without an explanation
    /// there is no payload.
    pub fn hides_payload(&self) -> bool {
        self.payload.is_none() && self.explanation.is_some()
    }
}

impl From<RecordedRequest> for RejectedRequestPayload {
    fn from(request: RecordedRequest) -> Self {
        let (encoding, body) = match std::str::from_utf8(&request.body) {
            Ok(text) => (Encoding::Text, text.to_owned()),
            Err(_) => (Encoding::Hex, hex::encode(&request.body)),
        };
        let headers = request.headers.into_iter().map(|(name, value)| RejectedRequestHeader {
            name,
            value: String::from_utf8_lossy(&value).into_owned(),
        });
        Self {
            path: request.path,
            query: request.query,
            headers: headers.collect(),
            encoding,
            body,
            received_at: request.received_at,
        }
    }
}

impl RejectedRequestPayload {
    pub fn bytes(&self) -> Vec<u8> {
        match self.encoding {
            Encoding::Text => self.body.clone().into_bytes(),
            Encoding::Hex => hex::decode(&self.body).unwrap_or_default(),
        }
    }
}
