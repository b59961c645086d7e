//! The part of a scheme that describes events, handshakes and responses.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::OneOrMany;

/// The type, the id and the lane of an event. Each is `json:/pointer`, `header:NAME`, `query:NAME`,
/// `form:FIELD` or `claim:/pointer`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventDefinition {
    /// The event type; `event` if absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The deduplication key: covered by the signature, and the same when the sender retries. With
    /// several, all of them together. The digest of the body if absent.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub id: OneOrMany,
    /// Events with the same value are delivered in order.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub lane: OneOrMany,
    /// The time of occurrence: RFC 3339, or Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The form field that contains the JSON document, instead of the body: `form:FIELD` or
    /// `multipart:FIELD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Whether equal bodies are different events. A request that is repeated is then delivered
    /// twice; for senders that only say that something changed.
    #[serde(default)]
    pub repeats: bool,
}

/// A request that is answered and not recorded.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandshakeDefinition {
    /// The method of the request.
    #[serde(default)]
    pub method: HandshakeMethod,
    /// What the request must contain: `query:NAME`, `header:NAME`, `json:/pointer` or `form:FIELD`
    /// and its value; `*` if any value will do, `/pattern/` for a regular expression.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// Whether the signature is verified first. Only a POST can be verified.
    pub verified: Option<bool>,
    /// The HTTP status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The content type.
    pub content_type: Option<String>,
    /// The response, as a template.
    #[serde(default)]
    pub body: String,
    /// Response headers, as templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The secret in the request, which is stored and verifies later requests: `header:NAME` or
    /// `json:/pointer`. The request is accepted only while an operator has opened a window.
    pub store: Option<String>,
    /// A URL in the request that is fetched to confirm the subscription.
    pub visit: Option<String>,
    /// The hosts that the URL may have.
    #[serde(default)]
    pub hosts: Vec<String>,
}

impl HandshakeDefinition {
    /// Whether the signature is verified first.
    pub fn is_verified(&self) -> bool {
        let is_post = self.method == HandshakeMethod::Post;
        self.verified.unwrap_or(is_post && self.store.is_none())
    }
}

fn ok() -> u16 {
    200
}

/// The method of a handshake.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum HandshakeMethod {
    Get,
    Head,
    Options,
    #[default]
    Post,
}

/// A request that contains several events.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchDefinition {
    /// A JSON pointer to the array of items; empty if the body is the array.
    pub items: String,
    /// A JSON pointer within an item to its id; with several, all of them together.
    pub id: OneOrMany,
    /// A JSON pointer within an item to its type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// The response to a recorded event.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerDefinition {
    /// The HTTP status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The content type.
    pub content_type: Option<String>,
    /// The body.
    #[serde(default)]
    pub body: String,
}
