//! A request before and after verification, and the context in which a provider verifies it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::key_cache::{KeyCache, KeyRequest};
use super::provenance::Provenance;
use super::scheme::Running;
use super::{
    BroughtSecret, Fingerprint, HandshakeAnswer, HandshakeMethod, Headers, KeyRing, Prompt, Proof,
    Provider, Refusal, Scheme, SenderInfo, Strength, Target, UnixSeconds, Window,
};

/// The unverified metadata of a request: everything but the body.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// The action in the path, such as `create`. Paths are not signed.
    pub action: Option<&'static str>,
    /// The query parameters that the provider reads, undecoded.
    pub query: Option<String>,
    pub headers: Headers,
    /// Method and query, if the provider's signature covers them.
    pub target: Option<Box<Target>>,
    /// Unsigned metadata, for display only.
    pub sender_info: SenderInfo,
}

impl RequestHead {
    /// The query parameters that the provider reads, undecoded.
    pub fn reads(provider: &dyn Provider, query: Option<&str>) -> Option<String> {
        let read = provider.parameters();
        let is_read = |pair: &&str| {
            let mut decoded = form_urlencoded::parse(pair.as_bytes());
            decoded.next().is_some_and(|(name, _)| read.contains(&&*name))
        };
        let kept: Vec<&str> = query?.split('&').filter(is_read).collect();
        (!kept.is_empty()).then(|| kept.join("&"))
    }

    /// All values of a query parameter, decoded.
    pub fn parameter<'h>(&'h self, name: &'h str) -> impl Iterator<Item = Cow<'h, str>> {
        let query = self.query.as_deref().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        pairs.filter(move |(known, _)| known == name).map(|(_, value)| value)
    }
}

/// The verification settings of one source.
#[derive(Clone)]
pub struct Verifier {
    pub provider: Arc<dyn Provider>,
    pub keys: KeyRing,
    /// The keys that the sender publishes, if it does.
    pub published: Option<Arc<dyn KeyCache>>,
    pub window: Window,
}

impl Verifier {
    /// Checks the presence, shape and freshness of the headers before the body is read, so that a
    /// request which would be rejected anyway costs no read.
    ///
    /// # Errors
    /// The [`Refusal`] that [`RawRequest::verify`] would return.
    pub fn precheck(&self, head: &RequestHead, now: UnixSeconds) -> Result<(), Refusal> {
        self.provider.precheck(head, self.window, now)
    }
}

/// A request as received. Its body is inaccessible until [`RawRequest::verify`].
#[derive(Clone)]
pub struct RawRequest {
    head: RequestHead,
    body: Bytes,
}

impl RawRequest {
    pub fn new(head: RequestHead, body: Bytes) -> Self {
        Self { head, body }
    }

    /// The published key that must be fetched before the request can be verified. What the request
    /// says about it proves nothing.
    pub fn needed_key(&self, verifier: &Verifier) -> Option<KeyRequest> {
        let cache = verifier.published.as_deref()?;
        let scheme = verifier.provider.scheme(&self.head)?;
        let url = scheme.key_url(&self.head, &self.body).ok().flatten()?;
        match cache.get(&url) {
            None => Some(KeyRequest { url, is_outdated: false }),
            Some(keys) if scheme.lacks_key(&self.head, &self.body, &keys) => {
                Some(KeyRequest { url, is_outdated: true })
            }
            Some(_) => None,
        }
    }

    /// The answer to a request that only wants to know whether somebody is here. It is not
    /// verified, and not recorded.
    pub fn handshake(
        &self,
        verifier: &Verifier,
        method: HandshakeMethod,
    ) -> Option<HandshakeAnswer> {
        let prompt = Prompt { method, head: &self.head, body: &self.body, verified: false };
        verifier.provider.handshake(&verifier.keys, prompt)
    }

    /// The secret that the request brings, if it is a handshake that does. Whoever sent it is not
    /// known.
    pub fn brought_secret(&self, verifier: &Verifier) -> Option<BroughtSecret> {
        let method = HandshakeMethod::Post;
        let prompt = Prompt { method, head: &self.head, body: &self.body, verified: false };
        verifier.provider.brought_secret(&verifier.keys, prompt)
    }

    /// Verifies that the sender of this source made the request recently.
    ///
    /// # Errors
    /// [`Refusal::Late`] if it is authentic but its token has expired; otherwise the [`Refusal`]
    /// that applies.
    pub fn verify(self, verifier: &Verifier, now: UnixSeconds) -> Result<VerifiedRequest, Refusal> {
        let context = VerifyContext::new(verifier, &self.head, &self.body, now);
        let proof = verifier.provider.verify(&context)?;
        let late = proof.late;
        let verified = VerifiedRequest { head: self.head, body: self.body, proof };
        if let Some(seconds) = late {
            return Err(Refusal::Late(Box::new(ExpiredToken { verified, seconds })));
        }
        Ok(verified)
    }
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRequest").field("size_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// What a provider needs to verify a request: the unverified head and the means of proof.
pub struct VerifyContext<'a> {
    head: &'a RequestHead,
    body: Content<'a>,
    keys: &'a KeyRing,
    published: Option<&'a dyn KeyCache>,
    window: Window,
    now: UnixSeconds,
}

/// What is available of a body.
#[derive(Clone, Copy)]
enum Content<'a> {
    Whole(&'a Bytes),
    /// The MACs computed while the body streamed by, if its sender signs it.
    Streamed(Option<&'a Running>),
}

impl<'a> VerifyContext<'a> {
    pub(super) fn new(
        verifier: &'a Verifier,
        head: &'a RequestHead,
        body: &'a Bytes,
        now: UnixSeconds,
    ) -> Self {
        Self {
            head,
            body: Content::Whole(body),
            keys: &verifier.keys,
            published: verifier.published.as_deref(),
            window: verifier.window,
            now,
        }
    }

    /// For a body that was not kept.
    pub(super) fn streamed(
        verifier: &'a Verifier,
        head: &'a RequestHead,
        running: Option<&'a Running>,
        now: UnixSeconds,
    ) -> Self {
        Self {
            head,
            body: Content::Streamed(running),
            keys: &verifier.keys,
            published: verifier.published.as_deref(),
            window: verifier.window,
            now,
        }
    }

    pub fn head(&self) -> &'a RequestHead {
        self.head
    }

    /// The time of the check.
    pub fn now(&self) -> UnixSeconds {
        self.now
    }

    pub fn window(&self) -> Window {
        self.window
    }

    /// Proves that the request is fresh and signed according to `scheme`.
    pub fn signed(&self, scheme: &Scheme) -> Result<Proof, Refusal> {
        match self.body {
            Content::Whole(body) => {
                let keys = (self.keys, self.published);
                scheme.prove(self.head, body, keys, self.window, self.now)
            }
            Content::Streamed(Some(running))
                if std::ptr::eq(Arc::as_ptr(&running.scheme), scheme) =>
            {
                running.conclude(self.head, self.keys, self.window, self.now)
            }
            // MACs that were started for another scheme prove nothing.
            Content::Streamed(_) => {
                scheme.prove_without_body(self.head, (self.keys, self.published), self.now)
            }
        }
    }

    /// Proves that `candidate` is the MAC of `token`, which does not cover the body.
    pub fn vouched_by_token(&self, token: &[u8], candidate: [u8; 32]) -> Result<Proof, Refusal> {
        self.keys.vouch(token, candidate)
    }

    /// Proves that `presented` is one of the source's secrets, for senders that can only repeat a
    /// shared secret. Nothing is signed: the secret vouches equally for the body and for the
    /// headers in `vouched_headers`.
    pub fn vouched_by_secret(
        &self,
        presented: &[u8],
        vouched_headers: &[&'static str],
    ) -> Result<Proof, Refusal> {
        self.keys.match_secret(presented, vouched_headers)
    }

    /// Returns the text of a top-level field of a JSON body: the only access to an unverified body,
    /// for a token that is sent inside it. The value proves nothing until its own MAC is verified.
    pub fn token_in_body(&self, field: &str) -> Option<String> {
        match self.body {
            Content::Whole(body) => super::json::top_level_text(body, field),
            Content::Streamed(_) => None,
        }
    }
}

/// A request whose sender is verified.
#[derive(Clone)]
pub struct VerifiedRequest {
    head: RequestHead,
    body: Bytes,
    proof: Proof,
}

impl VerifiedRequest {
    /// The exact bytes received.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn body_digest(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }

    /// Whether it is a test event, which is recorded but delivered to no handler.
    pub fn is_test(&self, verifier: &Verifier) -> bool {
        let by_scheme = || {
            let scheme = verifier.provider.scheme(&self.head);
            scheme.is_some_and(|scheme| scheme.is_test(&self.head, &self.body))
        };
        super::test_event::is_test(&self.body) || by_scheme()
    }

    /// The action in the path. It is unsigned: a hint to compare with the shape of the body.
    pub fn action(&self) -> Option<&'static str> {
        self.head.action
    }

    /// A header covered by the proof; other headers are inaccessible.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        if !self.proof.covered.contains(&name) {
            return None;
        }
        self.head.headers.value(name).ok().flatten()
    }

    /// A header, whether or not the proof covers it: a hint for display, never part of a key.
    pub fn hint(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.headers.iter().filter(|(header, _)| *header == name);
        std::str::from_utf8(lines.next()?.1).ok().map(str::trim)
    }

    /// The answer to an authentic request that is a challenge and not an event.
    pub fn handshake(&self, verifier: &Verifier) -> Option<HandshakeAnswer> {
        let prompt = Prompt {
            method: HandshakeMethod::Post,
            head: &self.head,
            body: &self.body,
            verified: true,
        };
        verifier.provider.handshake(&verifier.keys, prompt)
    }

    /// The unverified part of the request, for values that the proof covers as a whole.
    pub(super) fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The data to store about its origin, with the headers listed in `kept`.
    pub fn provenance(&self, kept: &[&'static str]) -> Provenance {
        Provenance::of(&self.head, &self.proof, kept)
    }

    /// The decoded claims of the verified token.
    pub fn claims(&self) -> Option<&Bytes> {
        self.proof.claims.as_ref()
    }

    pub fn strength(&self) -> Strength {
        self.proof.strength
    }

    /// The position of the scheme that proved it, among the alternatives of the source.
    pub(super) fn alternative(&self) -> usize {
        self.proof.alternative
    }

    pub fn secret(&self) -> Fingerprint {
        self.proof.secret
    }

    /// `now − signed_at` in seconds, if the sender signs a time.
    pub fn skew(&self) -> Option<i64> {
        self.proof.skew
    }

    /// The digest of the idempotency key, if the sender sent one.
    pub fn request_key(&self) -> Option<[u8; 32]> {
        self.proof.request_key
    }

    /// The digest of what was signed: of the body, or of a text made of its content.
    pub fn signed_digest(&self) -> [u8; 32] {
        self.proof.signed_digest.unwrap_or_else(|| self.body_digest())
    }

    /// Whether it was accepted although its token had expired.
    pub fn late(&self) -> bool {
        self.proof.late.is_some()
    }
}

impl fmt::Debug for VerifiedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedRequest")
            .field("size_bytes", &self.body.len())
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

/// A request whose token is valid but expired. Only its claims are accessible, to look up whether
/// its run is still expected.
#[derive(Debug)]
pub struct ExpiredToken {
    verified: VerifiedRequest,
    seconds: i64,
}

impl ExpiredToken {
    pub fn claims(&self) -> Option<&Bytes> {
        self.verified.claims()
    }

    /// Accepts the request because its run is still expected. The event is marked as late.
    pub fn admit(self) -> VerifiedRequest {
        self.verified
    }

    /// Rejects the request as stale because no run is expected.
    pub fn refuse(&self) -> Refusal {
        Refusal::Stale { seconds: self.seconds }
    }
}
