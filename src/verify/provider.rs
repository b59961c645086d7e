//! What a provider is, and how it classifies a verified request.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;

use super::{
    AnswerDefinition, BroughtSecret, Chunk, EventMethod, HandshakeAnswer, HandshakeMethod,
    KeyError, KeyRing, Prompt, Proof, Refusal, RequestHead, Scheme, Secret, SignedTime,
    UnixSeconds, VerifiedRequest, VerifyContext, Window,
};

/// Returns the handlers that accept an event type.
pub type HandlersFor = Arc<dyn Fn(&str) -> Vec<&'static str> + Send + Sync>;

/// One kind of sender, as configured for one source.
pub trait Provider: Send + Sync + 'static {
    /// The name in the configuration and in stored events.
    fn name(&self) -> &'static str;

    /// The actions that may follow the source's path, such as `create`. If the list is empty,
    /// nothing may follow it.
    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    /// All headers that the provider reads, in lower case. The listener drops the others.
    fn headers(&self) -> &[&'static str];

    /// The headers that make up the proof, for users.
    fn proof_headers(&self) -> Vec<&'static str> {
        self.headers().to_vec()
    }

    /// The headers stored with the event: none that contains a secret or a signature.
    fn kept_headers(&self) -> &[&'static str] {
        &[]
    }

    /// The query parameters that the provider reads. The listener drops the others.
    fn parameters(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Removes plaintext secrets from a request that is about to be stored.
    fn redact(&self, _head: &mut RequestHead, _body: &mut Bytes) {}

    /// Checks the presence, shape and freshness of the headers before the body is read.
    ///
    /// # Errors
    /// The [`Refusal`] that [`Provider::verify`] would return for this head.
    fn precheck(&self, head: &RequestHead, window: Window, now: UnixSeconds)
    -> Result<(), Refusal>;

    /// Verifies that the sender made the request.
    ///
    /// # Errors
    /// A [`Refusal`] if nothing proves it.
    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal>;

    /// The scheme by which the sender of this head proves itself, if it signs. A body that is not
    /// kept is verified by it while it streams.
    fn scheme(&self, _head: &RequestHead) -> Option<&Arc<Scheme>> {
        None
    }

    /// The keys in the secrets of a source.
    ///
    /// # Errors
    /// Why the secrets are no keys of this sender.
    fn key_ring(&self, secrets: Vec<Secret>) -> Result<KeyRing, KeyError> {
        Ok(KeyRing::new(secrets)?)
    }

    /// The maximum age of a signature, if this source's scheme says one.
    fn max_age(&self) -> Option<Duration> {
        None
    }

    /// Whether the scheme is in the configuration of the source.
    fn has_own_scheme(&self) -> bool {
        false
    }

    /// Where the sender signs a time.
    fn signed_time(&self) -> SignedTime {
        SignedTime::Timestamp
    }

    /// Whether the sender publishes its keys, so that the source has no secret.
    fn fetches_keys(&self) -> bool {
        false
    }

    /// The method of the sender's requests. Those by GET have no body: the sorted query is that of
    /// the event, as a form.
    fn event_method(&self) -> EventMethod {
        EventMethod::Post
    }

    /// The URL of the sender's keys, if it is the same for every request.
    fn key_url(&self) -> Option<Url> {
        None
    }

    /// Whether it needs the method and the query of a request.
    fn reads_target(&self) -> bool {
        false
    }

    /// The methods, other than POST, of requests that only want to know whether somebody is here.
    fn handshake_methods(&self) -> &[HandshakeMethod] {
        &[]
    }

    /// Whether it answers some POST requests that are not verified.
    fn has_open_handshake(&self) -> bool {
        false
    }

    /// The answer to a request that is a challenge and not an event, if it is one.
    fn handshake(&self, _keys: &KeyRing, _prompt: Prompt<'_>) -> Option<HandshakeAnswer> {
        None
    }

    /// Whether its sender brings secrets in handshakes, so that the source may have none at first.
    fn stores_secrets(&self) -> bool {
        false
    }

    /// The secret that a request brings, if it is a handshake that does.
    fn brought_secret(&self, _keys: &KeyRing, _prompt: Prompt<'_>) -> Option<BroughtSecret> {
        None
    }

    /// The response to a recorded event, for senders that require a certain one.
    fn answer(&self) -> Option<&AnswerDefinition> {
        None
    }

    /// The proofs that this request claims, for diagnosing a rejection; the most likely one first.
    /// They prove nothing. If the list is empty, only header problems can be diagnosed.
    fn claimed_proofs(&self, _request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        Vec::new()
    }

    /// Classifies a verified request.
    fn classify(&self, request: &VerifiedRequest) -> Classified;

    /// Rebuilds the payload that the sender would have sent in one piece, from a transfer's
    /// envelope and its decoded content. `None` if the provider has no such form.
    fn whole(&self, _envelope: &[u8], _content: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A proof that a request may carry.
#[derive(Debug)]
pub enum ProofMethod<'p> {
    /// A signature that covers the body.
    Signature(&'p Scheme),
    /// A signature in a form that the sender knows but the source does not accept for this request.
    OtherForm(&'p Scheme),
    /// A token that contains a MAC over the rest of itself.
    Token {
        /// The bytes covered by the MAC.
        signed: Vec<u8>,
        mac: [u8; 32],
    },
    /// A shared secret, sent in plaintext.
    Repeated(Vec<u8>),
}

/// The classification of a verified request.
#[derive(Debug)]
pub enum Classified {
    Event(EventMeta),
    /// Several events in one request, recorded together, each with its own part of the body.
    Batch(Vec<(EventMeta, Bytes)>),
    /// One piece of a payload that is split over several requests.
    Chunk(Box<Chunk>),
    /// Authentic but unprocessable: stored as a dead letter with a reason.
    Quarantined(Quarantined),
}

/// The metadata of an event.
#[derive(Debug, Clone)]
pub struct EventMeta {
    /// The type, such as `checkout.session.completed`; at most [`EventMeta::MAX_EVENT_TYPE`] bytes.
    pub event_type: Cow<'static, str>,
    /// The deduplication key.
    pub key: EventKey,
    /// Events of one lane are handled one at a time, in order of arrival.
    pub lane: Option<Lane>,
    /// The time of occurrence, according to the sender.
    pub occurred_at: Option<OffsetDateTime>,
}

impl EventMeta {
    /// The maximum length of an event type, in bytes; a longer one is quarantined as
    /// [`Quarantine::FieldLength`].
    pub const MAX_EVENT_TYPE: usize = 200;
}

/// The deduplication key of an event. Every variant comes from signed bytes or, for a vouched
/// request, from the body itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKey {
    /// An id covered by the proof. The rest of the body may change when the sender retries, such as
    /// a count of pending deliveries.
    Signed(Vec<u8>),
    /// An id covered by the proof that the sender never reuses: the same id with another body
    /// points to a sender error or an attack.
    Once(Vec<u8>),
    /// The SHA-256 of the body.
    BodyDigest([u8; 32]),
    /// None: the sender sends equal bodies for different events, so every request is one.
    EveryRequest,
}

/// The key of a lane. It is stored in an index, so long keys are stored as their digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane(String);

impl Lane {
    const MAX_BYTES: usize = 200;
    const SEPARATOR: &str = " \u{1f} ";

    /// The lane of these parts, such as repository and path. Parts cannot run into each other.
    pub fn of(parts: &[&str]) -> Self {
        let joined =
            parts.iter().map(|part| part.replace('\u{1f}', "\u{1f}\u{1f}")).collect::<Vec<_>>();
        let key = joined.join(Self::SEPARATOR);
        if key.len() <= Self::MAX_BYTES && !key.contains('\0') {
            return Self(key);
        }
        Self(format!("sha256:{}", hex::encode(Sha256::digest(&key))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A stored lane for display: its non-empty parts, such as `owner/name / decks/intro.md`.
    pub fn shown(stored: &str) -> String {
        let parts = stored.split(Self::SEPARATOR).filter(|part| !part.trim().is_empty());
        // A separator inside a part is doubled.
        let parts = parts.map(|part| part.replace("\u{1f}\u{1f}", "\u{241f}"));
        parts.collect::<Vec<_>>().join(" / ")
    }
}

/// An authentic request that cannot be processed.
#[derive(Debug, Clone)]
pub struct Quarantined {
    pub reason: Quarantine,
    /// The details for operators, from the parser; truncated when stored.
    pub detail: String,
    /// The event type, as far as it is known.
    pub event_type: Option<String>,
}

/// The reason why an authentic request is quarantined instead of handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quarantine {
    /// The body exceeds the source's size limit. The detail contains its size and digest.
    TooLarge,
    /// The sender reused an id for another body.
    IdReused,
    EmptyBody,
    NotUtf8,
    NotJson,
    /// A field is repeated: two readers could disagree about which one counts.
    DuplicateKey,
    /// A number is out of range.
    NumberRange,
    /// A field is missing or has the wrong type.
    Schema,
    FieldLength,
    /// The action in the path differs from the action in the body.
    ActionMismatch,
    /// The file's path is absolute, leaves the repository, or contains forbidden characters.
    PathInvalid,
    /// The SHA-256 of the file differs from the declared one.
    DigestMismatch,
    /// The size of the file differs from the declared one.
    SizeMismatch,
    /// The content is not valid base64.
    Base64,
    /// The transfer id is not valid.
    ChunkId,
    /// The chunk's index or total is invalid.
    ChunkRange,
    /// The transfer has more chunks or bytes than allowed.
    ChunkLimit,
    /// The chunk contradicts earlier chunks of its transfer.
    ChunkMixed,
    /// A newer transfer replaced this one.
    ChunkSuperseded,
    /// The transfer is incomplete and timed out.
    ChunkExpired,
}

impl Quarantine {
    pub const ALL: [Self; 20] = [
        Self::TooLarge,
        Self::IdReused,
        Self::EmptyBody,
        Self::NotUtf8,
        Self::NotJson,
        Self::DuplicateKey,
        Self::NumberRange,
        Self::Schema,
        Self::FieldLength,
        Self::ActionMismatch,
        Self::PathInvalid,
        Self::DigestMismatch,
        Self::SizeMismatch,
        Self::Base64,
        Self::ChunkId,
        Self::ChunkRange,
        Self::ChunkLimit,
        Self::ChunkMixed,
        Self::ChunkSuperseded,
        Self::ChunkExpired,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::IdReused => "id_reused",
            Self::EmptyBody => "empty_body",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::DuplicateKey => "dup_key",
            Self::NumberRange => "number_range",
            Self::Schema => "schema",
            Self::FieldLength => "field_length",
            Self::ActionMismatch => "action_mismatch",
            Self::PathInvalid => "path_invalid",
            Self::DigestMismatch => "digest_mismatch",
            Self::SizeMismatch => "size_mismatch",
            Self::Base64 => "base64",
            Self::ChunkId => "chunk_id",
            Self::ChunkRange => "chunk_range",
            Self::ChunkLimit => "chunk_limit",
            Self::ChunkMixed => "chunk_mixed",
            Self::ChunkSuperseded => "chunk_superseded",
            Self::ChunkExpired => "chunk_expired",
        }
    }
}

impl From<(Quarantine, String)> for Quarantined {
    fn from((reason, detail): (Quarantine, String)) -> Self {
        Self { reason, detail, event_type: None }
    }
}

#[cfg(test)]
mod tests {
    use super::Lane;

    #[test]
    fn lane_is_displayed_without_separator() {
        for (parts, shown) in [
            (&["owner/name", "decks/intro.md"][..], "owner/name / decks/intro.md"),
            (&["", "acct_1"], "acct_1"),
            (&["guild"], "guild"),
            (&["a\u{1f}b", "c"], "a\u{241f}b / c"),
            (&["a \u{1f} b"], "a \u{241f} b"),
        ] {
            let lane = Lane::of(parts);
            assert_eq!(Lane::shown(lane.as_str()), shown);
            assert!(!Lane::shown(lane.as_str()).contains('\u{1f}'));
        }
        let long = "x".repeat(300);
        assert!(Lane::shown(Lane::of(&[&long]).as_str()).starts_with("sha256:"));
    }
}
