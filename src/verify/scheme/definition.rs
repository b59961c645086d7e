//! A signature scheme as data: the `scheme` table of a provider's file and of a source with
//! `provider = "custom"`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event_definition::{
    AnswerDefinition, BatchDefinition, EventDefinition, HandshakeDefinition,
};
use super::jwt_definition::JwtDefinition;
use super::key_definition::KeyDefinition;
use super::words::{Digest, Encoding, OneOrMany};

/// How a sender signs, and what its events look like.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeDefinition {
    /// The algorithm of the proof.
    pub algorithm: Algorithm,
    /// The method of the sender's requests. With `GET` the sorted query is the body of the event, and
    /// the text must contain `{method}` and `{query_sorted}`.
    #[serde(default)]
    pub method: EventMethod,
    /// The signed text, as a template; with several, any of them may match. Not for `jwt`, `token`
    /// and `basic`.
    #[serde(default)]
    pub signed: OneOrMany,
    /// Where the signature is, and how it is written.
    pub signature: SignatureDefinition,
    /// Where the signed time is.
    pub timestamp: Option<TimestampDefinition>,
    /// How a secret becomes the key.
    #[serde(default)]
    pub key: KeyDefinition,
    /// The requirements on a JSON Web Token; for `jwt` only.
    pub jwt: Option<JwtDefinition>,
    /// Whether the signed text has all that means something in the body, although it is not the
    /// body itself.
    #[serde(default)]
    pub covers_content: bool,
    /// A digest of the body that the signature covers.
    pub body_hash: Option<HashDefinition>,
    /// What a verified request must contain, for senders that use one key for all their customers:
    /// `json:/pointer` and so on, or several with `|` between them, and its value.
    #[serde(default)]
    pub require: BTreeMap<String, String>,
    /// What a request must not contain, since the signature does not cover it: `json:/pointer`.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Further headers that the signed text may name.
    #[serde(default)]
    pub headers: Vec<String>,
    /// The type, the id and the lane of an event.
    #[serde(default)]
    pub event: EventDefinition,
    /// Requests that are answered and not recorded, such as challenges.
    #[serde(default)]
    pub handshake: Vec<HandshakeDefinition>,
    /// A request that contains several events.
    pub batch: Option<BatchDefinition>,
    /// The response to a recorded event, for senders that require a certain one.
    pub answer: Option<AnswerDefinition>,
    /// What a request has that is signed in this way, if the sender signs in several: as in
    /// `require`.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// Other ways in which the sender signs. Each has only what differs.
    #[serde(default)]
    pub alternative: Vec<AlternativeDefinition>,
}

/// Another way in which the sender signs. What is left out is as in the scheme; a table replaces the
/// whole table.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlternativeDefinition {
    /// The option of the source that must be `true`, or the alternative is refused.
    pub option: Option<String>,
    /// What a request has that is signed in this way: as in `require`.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// The algorithm of the proof.
    pub algorithm: Option<Algorithm>,
    /// The signed text. With the same algorithm and key, only the names of headers may differ.
    #[serde(default)]
    pub signed: OneOrMany,
    /// Where the signature is, and how it is written.
    pub signature: Option<SignatureDefinition>,
    /// Where the signed time is.
    pub timestamp: Option<TimestampDefinition>,
    /// How a secret becomes the key.
    pub key: Option<KeyDefinition>,
    /// The type, the id and the lane of an event.
    pub event: Option<EventDefinition>,
}

impl SchemeDefinition {
    /// Whether only the sender can sign, since it keeps the key to itself.
    pub fn is_sender_only(&self) -> bool {
        self.algorithm.is_public_key()
            || self.key.fetch.is_some()
            || self.key.x5c.is_some()
            || self.jwt.as_ref().is_some_and(JwtDefinition::is_public_key)
    }
}

/// The method of requests that are events.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Deserialize,
    Serialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum EventMethod {
    Get,
    #[default]
    Post,
}

impl EventMethod {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The algorithm of a proof.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Deserialize,
    Serialize,
    JsonSchema,
    strum::IntoStaticStr,
    strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Algorithm {
    #[serde(rename = "hmac-sha1")]
    #[strum(serialize = "hmac-sha1")]
    HmacSha1,
    #[serde(rename = "hmac-sha256")]
    #[strum(serialize = "hmac-sha256")]
    HmacSha256,
    #[serde(rename = "hmac-sha384")]
    #[strum(serialize = "hmac-sha384")]
    HmacSha384,
    #[serde(rename = "hmac-sha512")]
    #[strum(serialize = "hmac-sha512")]
    HmacSha512,
    /// SHA-1 of a text that contains the secret.
    #[serde(rename = "sha1")]
    #[strum(serialize = "sha1")]
    Sha1,
    /// SHA-256 of a text that contains the secret.
    #[serde(rename = "sha256")]
    #[strum(serialize = "sha256")]
    Sha256,
    #[serde(rename = "ed25519")]
    #[strum(serialize = "ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256, as DER.
    #[serde(rename = "ecdsa-p256-sha256")]
    #[strum(serialize = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// RSA (PKCS #1 v1.5) with SHA-1.
    #[serde(rename = "rsa-sha1")]
    #[strum(serialize = "rsa-sha1")]
    RsaSha1,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    #[serde(rename = "rsa-sha256")]
    #[strum(serialize = "rsa-sha256")]
    RsaSha256,
    /// A JSON Web Token.
    Jwt,
    /// The secret itself, repeated by the sender.
    Token,
    /// HTTP basic authentication; the secret is `user:password`.
    Basic,
}

impl Algorithm {
    /// The length of a signature in bytes, if it is fixed.
    pub fn length(self) -> Option<usize> {
        match self {
            Self::HmacSha1 | Self::Sha1 => Some(20),
            Self::HmacSha256 | Self::Sha256 => Some(32),
            Self::HmacSha384 => Some(48),
            Self::HmacSha512 | Self::Ed25519 => Some(64),
            _ => None,
        }
    }

    /// Whether the source has the sender's public key instead of a shared secret.
    pub fn is_public_key(self) -> bool {
        matches!(self, Self::Ed25519 | Self::EcdsaP256Sha256 | Self::RsaSha1 | Self::RsaSha256)
    }

    /// Whether it signs a text, so that a scheme needs `signed`.
    pub fn signs_text(self) -> bool {
        !matches!(self, Self::Jwt | Self::Token | Self::Basic)
    }
}

/// Where the signature is, and how it is written. Exactly one place.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureDefinition {
    /// A header, or several of which each may contain a signature.
    #[serde(default)]
    pub header: OneOrMany,
    /// A query parameter.
    pub query: Option<String>,
    /// A JSON pointer into the body.
    pub json: Option<String>,
    /// A field of a form.
    pub form: Option<String>,
    /// The whole body is the token.
    #[serde(default)]
    pub body: bool,
    /// The text before the signature.
    #[serde(default)]
    pub prefix: String,
    /// Whether the sender may leave the prefix out.
    #[serde(default)]
    pub prefix_optional: bool,
    /// How the signature is written as text.
    #[serde(default)]
    pub encoding: Encoding,
    /// The elements of a list, such as `t={timestamp},v1={signature}`.
    pub format: Option<String>,
    /// What separates the elements of a list.
    #[serde(default = "comma")]
    pub separator: String,
    /// What separates several lists in one header, each with a timestamp of its own.
    pub groups: Option<String>,
}

fn comma() -> String {
    ",".to_owned()
}

/// Where the signed time is.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimestampDefinition {
    /// `header:NAME`, `signature` (in its `format`), `json:/pointer` or `form:FIELD`.
    pub from: String,
    /// How the time is written.
    #[serde(default)]
    pub unit: TimeUnit,
    /// The maximum age and distance into the future.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub tolerance: Duration,
    /// Whether the sender may leave it out.
    #[serde(default)]
    pub optional: bool,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    #[default]
    Seconds,
    Milliseconds,
    /// Ten digits are seconds, thirteen are milliseconds.
    SecondsOrMilliseconds,
    /// RFC 3339; UTC if there is no zone.
    Rfc3339,
    /// As in the `Date` header.
    HttpDate,
}

/// A signed value that contains the digest of the body.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashDefinition {
    /// `query:NAME` or `header:NAME`; covered by the signed text.
    pub from: String,
    /// The kind of digest.
    pub hash: Digest,
    /// How the signature is written as text.
    #[serde(default)]
    pub encoding: Encoding,
}
