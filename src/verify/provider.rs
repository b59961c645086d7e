//! What a provider is, and what it makes of a verified request.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    Chunk, Proof, Refusal, RequestHead, Scheme, UnixSeconds, VerifiedRequest, VerifyContext, Window,
};

/// One kind of sender, as configured for one source.
pub trait Provider: Send + Sync + 'static {
    /// Its name in the configuration and in stored events.
    fn name(&self) -> &'static str;

    /// The actions that may follow the source's path, such as `create`. Where the list is empty
    /// the path ends with the source.
    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Every header that it reads, lower-case. Others never leave the listener.
    fn headers(&self) -> &'static [&'static str];

    /// Of those, the ones that are kept with the event: none that carries a secret or a
    /// signature.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// Every parameter that it reads from the query. Others are dropped with the headers that it
    /// does not read.
    fn parameters(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Takes secrets that were sent in the clear out of a head that is about to be kept.
    fn redact(&self, _head: &mut RequestHead) {}

    /// Checks presence, shape and freshness of the headers before the body is read.
    ///
    /// # Errors
    /// The [`Refusal`] that [`Provider::verify`] would give for this head.
    fn precheck(&self, head: &RequestHead, window: Window, now: UnixSeconds)
    -> Result<(), Refusal>;

    /// Checks that the sender made the request.
    ///
    /// # Errors
    /// A [`Refusal`] when nothing proves that it did.
    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal>;

    /// The scheme by which the sender of this head signs the body, where it does. By it a body that
    /// is not kept is proven.
    fn signs_body(&self, _head: &RequestHead) -> Option<&'static Scheme> {
        None
    }

    /// What [`Provider::verify`] looks for in this request, for who explains a refusal; what the
    /// request claims comes first. It proves nothing. Where it is empty, only what is wrong with
    /// the headers can be explained.
    fn evidence(&self, _request: &VerifyContext<'_>) -> Vec<ProofMethod> {
        Vec::new()
    }

    /// Says what the verified request is.
    fn classify(&self, request: &VerifiedRequest) -> Classified;

    /// The payload that the sender would have sent in one piece, of what came in chunks: from the
    /// transfer's envelope and its decoded content. `None` where it has no such form.
    fn whole(&self, _envelope: &[u8], _content: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// What a request may be proven by.
#[derive(Debug)]
pub enum ProofMethod {
    /// A signature over the body.
    Signature(&'static Scheme),
    /// A signature in a form that the sender knows too, and the source does not take for this
    /// request.
    OtherForm(&'static Scheme),
    /// A token, which carries a MAC over the rest of itself.
    Token {
        /// What the MAC is over.
        signed: Vec<u8>,
        /// The MAC.
        mac: [u8; 32],
    },
    /// A secret that is repeated in the clear.
    Repeated(Vec<u8>),
}

/// What a provider makes of a verified request.
#[derive(Debug)]
pub enum Classified {
    /// One whole event.
    Event(EventMeta),
    /// A piece of a payload that comes in several requests.
    Chunk(Box<Chunk>),
    /// Authentic but useless: kept, with a reason, as a dead letter.
    Quarantined(Quarantined),
}

/// The name of an event.
#[derive(Debug, Clone)]
pub struct EventMeta {
    /// Its type, such as `checkout.session.completed`; at most [`EventMeta::MAX_EVENT_TYPE`] bytes.
    pub event_type: Cow<'static, str>,
    /// By what it is recognised when it comes again.
    pub key: EventKey,
    /// Events of one lane are handled one after the other, in order of arrival.
    pub lane: Option<Lane>,
    /// When it happened, as the sender says.
    pub occurred_at: Option<OffsetDateTime>,
}

impl EventMeta {
    /// The longest event type, in bytes; a longer one is quarantined as [`Quarantine::FieldLength`].
    pub const MAX_EVENT_TYPE: usize = 200;
}

/// By what an event is recognised when it comes again. There is no other way: all come from
/// bytes that were signed, or, for a vouched request, from the body itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKey {
    /// An id that the proof covers. The sender may write other things around it when it sends the
    /// event again, such as how many deliveries are pending.
    Signed(Vec<u8>),
    /// An id that the proof covers, and that the sender never uses for another body: where that
    /// happens, something is wrong at the sender, or somebody attacks.
    Once(Vec<u8>),
    /// The SHA-256 of the body.
    BodyDigest([u8; 32]),
}

/// The key of a lane. Stored in an index: long keys are stored as their digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane(String);

impl Lane {
    const MAX_BYTES: usize = 200;
    /// What stands between two parts.
    const SEPARATOR: &str = " \u{1f} ";

    /// A lane by its parts, such as repository and path. Parts cannot run into each other.
    pub fn of(parts: &[&str]) -> Self {
        let joined =
            parts.iter().map(|part| part.replace('\u{1f}', "\u{1f}\u{1f}")).collect::<Vec<_>>();
        let key = joined.join(Self::SEPARATOR);
        if key.len() <= Self::MAX_BYTES && !key.contains('\0') {
            return Self(key);
        }
        Self(format!("sha256:{}", hex::encode(Sha256::digest(&key))))
    }

    /// The stored text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A stored lane for users: its parts, such as `owner/name / decks/intro.md`, without the
    /// separator that is nobody else's business. Parts that are empty are left out.
    pub fn shown(stored: &str) -> String {
        let parts = stored.split(Self::SEPARATOR).filter(|part| !part.trim().is_empty());
        // A separator within a part stands twice.
        let parts = parts.map(|part| part.replace("\u{1f}\u{1f}", "\u{241f}"));
        parts.collect::<Vec<_>>().join(" / ")
    }
}

/// A verified request that is of no use, and why.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// The closed reason.
    pub reason: Quarantine,
    /// What exactly is wrong, for the operator; from the parser, bounded when stored.
    pub detail: String,
    /// The event type as far as it could be told.
    pub event_type: Option<String>,
}

/// Why an authentic request is kept aside instead of handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quarantine {
    /// The body is larger than the source keeps. How large, and its digest, stand in the detail.
    TooLarge,
    /// An id that its sender uses once came with another body.
    IdReused,
    /// There is no body.
    EmptyBody,
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not JSON.
    NotJson,
    /// A field stands twice: two readers would disagree about which one counts.
    DuplicateKey,
    /// A number is too large to be read.
    NumberRange,
    /// A field is missing or has the wrong type.
    Schema,
    /// A name is too long to be a name.
    FieldLength,
    /// The path says one action, the body another.
    ActionMismatch,
    /// The file's path is absolute, climbs out, or holds characters that no path needs.
    PathInvalid,
    /// The file's bytes have another SHA-256 than the sender says.
    DigestMismatch,
    /// The file's bytes are not as many as the sender says.
    SizeMismatch,
    /// The content is not the base64 that it claims to be.
    Base64,
    /// The transfer's id is not one.
    ChunkId,
    /// The chunk's number is not below the total, or either is no count.
    ChunkRange,
    /// More chunks, or more bytes, than a transfer may have.
    ChunkLimit,
    /// The chunk does not agree with those of its transfer that came before.
    ChunkMixed,
    /// The transfer was closed because a newer one replaced it.
    ChunkSuperseded,
    /// The transfer was closed because the rest did not come in time.
    ChunkExpired,
}

impl Quarantine {
    /// Every reason.
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

    /// The stored word.
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
    fn a_lane_is_shown_without_its_separator() {
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
