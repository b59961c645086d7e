//! Request verification: turns untrusted bytes into a request that its sender signed.
//!
//! - A [`RawRequest`] is an unverified request. It has no accessor for its body; the only way
//!   forward is [`RawRequest::verify`].
//! - A [`Provider`] describes one kind of sender: which headers carry the signature, and how a
//!   verified request is classified. Signature schemes are data (a [`Scheme`]); one engine runs
//!   every scheme.
//! - A [`KeyRing`] holds the secrets of one source. Only a key ring makes a [`Proof`], always over
//!   a transcript that ends in this request's body, or over a token that vouches for the request.
//! - A [`VerifiedRequest`] exposes the body, and only those headers that the proof covers: nothing
//!   unsigned can become a key.
//! - A [`StreamedBody`] is a body that is too large to be kept: it is verified as it streams and
//!   yields an [`OversizeRequest`], which has no body.
//! - A [`Classified`] event, chunk or quarantined request is the provider's result. Content never
//!   leads to a rejection: an authentic but unprocessable request is quarantined, with a reason.
//!
//! Everything here is pure: no clock, no socket, no database. The time is an argument.
//!
//! Compile-time guarantees (the first example is the control, which compiles):
//!
//! ```
//! use sealpost::verify::{RawRequest, Refusal, VerifiedRequest, Verifier};
//! fn on(raw: RawRequest, verifier: &Verifier) -> Result<usize, Refusal> {
//!     let verified: VerifiedRequest = raw.verify(verifier, 1_700_000_000)?;
//!     Ok(verified.body().len())
//! }
//! ```
//!
//! A raw request does not expose its body:
//! ```compile_fail,E0599
//! fn peek(raw: sealpost::verify::RawRequest) -> usize {
//!     raw.body().len()
//! }
//! ```
//! nor its field:
//! ```compile_fail,E0616
//! fn peek(raw: sealpost::verify::RawRequest) -> usize {
//!     raw.body.len()
//! }
//! ```
//! A proof cannot be constructed:
//! ```compile_fail,E0451
//! use sealpost::verify::{Fingerprint, Proof, Strength};
//! fn forge(secret: Fingerprint) -> Proof {
//!     Proof {
//!         strength: Strength::Signed, secret, skew: None, covered: Vec::new(),
//!         claims: None, request_key: None, signed_digest: None, late: None,
//!     }
//! }
//! ```
//! A streamed body is not a request before it is verified:
//! ```compile_fail,E0599
//! fn peek(body: sealpost::verify::StreamedBody) -> [u8; 32] {
//!     body.digest()
//! }
//! ```
//! and the resulting request has no body:
//! ```compile_fail,E0599
//! fn peek(request: sealpost::verify::OversizeRequest) -> usize {
//!     request.body().len()
//! }
//! ```
//! nor can it be constructed:
//! ```compile_fail,E0451
//! use sealpost::verify::{OversizeRequest, Proof, RequestHead};
//! fn forge(head: RequestHead, proof: Proof) -> OversizeRequest {
//!     OversizeRequest { head, proof, digest: [0; 32], size: 0 }
//! }
//! ```
//! and neither can a verified request:
//! ```compile_fail,E0451
//! use sealpost::verify::{Proof, RequestHead, VerifiedRequest};
//! fn forge(head: RequestHead, proof: Proof) -> VerifiedRequest {
//!     VerifiedRequest { head, body: bytes::Bytes::new(), proof }
//! }
//! ```

mod credentials;
pub mod diagnose;
mod headers;
mod json;
mod key;
mod key_cache;
mod keys;
mod oversize;
mod provenance;
mod provider;
mod refusal;
mod request;
mod scheme;
mod secret;
mod sender_info;
mod stored_keys;
mod strength;
mod target;
mod test_event;
#[cfg(test)]
mod test_sender;
mod transfer;
mod window;

pub use credentials::{may_hold_credentials, redact, without_credentials};
pub use headers::Headers;
pub use json::{parse, parse_at, quarantine_reason};
pub use key::KeyError;
pub use key_cache::{KeyCache, KeyRequest};
pub use keys::{KeyRing, Proof};
pub use oversize::{OversizeRequest, StreamedBody};
pub use provenance::Provenance;
pub use provider::{
    Classified, EventKey, EventMeta, HandlersFor, Lane, ProofMethod, Provider, Quarantine,
    Quarantined,
};
pub use refusal::{Refusal, RefusalReason};
pub use request::{
    ExpiredToken, RawRequest, RequestHead, VerifiedRequest, Verifier, VerifyContext,
};
pub use scheme::{
    Algorithm, AnswerDefinition, BatchDefinition, BodyPlace, BroughtSecret, EventDefinition,
    EventMethod, Handshake, HandshakeAnswer, HandshakeDefinition, HandshakeMethod, KeyDefinition,
    KeyEncoding, OneOrMany, Prompt, Scheme, SchemeDefinition, SchemeOptions, Schemes,
    SignedRequest, ToSign, intern,
};
pub use secret::{Fingerprint, Secret, WeakSecret};
pub use sender_info::SenderInfo;
pub use stored_keys::StoredKeys;
pub use strength::Strength;
pub use target::Target;
pub use test_event::{TEST_EVENT_TYPE, test_body};
pub use transfer::{Chunk, Manifest, TransferLimits, enveloped};
pub use window::{SignedTime, UnixSeconds, Window, parse_timestamp};
