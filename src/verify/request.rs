//! A request before and after verification, and what a provider may look at in between.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::oversize::Running;
use super::{
    Fingerprint, Headers, KeyRing, Proof, Provider, Refusal, Scheme, SenderInfo, Strength,
    UnixSeconds, Window,
};

/// Everything of a request but its body. None of it can be believed.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// The action that the path names, such as `create`; paths are not signed.
    pub action: Option<&'static str>,
    /// Of the query string, the parameters that the provider asked for, undecoded.
    pub query: Option<String>,
    /// The headers that the provider asked for.
    pub headers: Headers,
    /// What came along, for users.
    pub along: SenderInfo,
}

impl RequestHead {
    /// Of the query, the parameters that the provider reads, as they are written.
    pub fn reads(provider: &dyn Provider, query: Option<&str>) -> Option<String> {
        let read = provider.parameters();
        let is_read = |pair: &&str| {
            let mut decoded = form_urlencoded::parse(pair.as_bytes());
            decoded.next().is_some_and(|(name, _)| read.contains(&&*name))
        };
        let kept: Vec<&str> = query?.split('&').filter(is_read).collect();
        (!kept.is_empty()).then(|| kept.join("&"))
    }

    /// Every value of a parameter of the query, decoded.
    pub fn parameter<'h>(&'h self, name: &'h str) -> impl Iterator<Item = Cow<'h, str>> {
        let query = self.query.as_deref().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        pairs.filter(move |(known, _)| known == name).map(|(_, value)| value)
    }
}

/// How one source lets requests in.
#[derive(Clone)]
pub struct Verifier {
    /// What kind of sender it is.
    pub provider: Arc<dyn Provider>,
    /// Its secrets.
    pub keys: KeyRing,
    /// How fresh a signature must be.
    pub window: Window,
}

impl Verifier {
    /// Checks what can be checked before the body is read: that the headers are there, have
    /// their shape, and are fresh. Saves reading what would be refused anyway.
    ///
    /// # Errors
    /// The [`Refusal`] that [`RawRequest::verify`] would give.
    pub fn precheck(&self, head: &RequestHead, now: UnixSeconds) -> Result<(), Refusal> {
        self.provider.precheck(head, self.window, now)
    }
}

/// A request as it arrived. Its body cannot be read: see [`RawRequest::verify`].
pub struct RawRequest {
    head: RequestHead,
    body: Bytes,
}

impl RawRequest {
    /// Puts a head and the exact bytes of its body together.
    pub fn new(head: RequestHead, body: Bytes) -> Self {
        Self { head, body }
    }

    /// Checks that the sender of this source made the request, and made it recently.
    ///
    /// # Errors
    /// A [`Refusal`] when it did not; [`Refusal::Late`] when it did, but its token is past its
    /// time.
    pub fn verify(self, gate: &Verifier, now: UnixSeconds) -> Result<VerifiedRequest, Refusal> {
        let examination = VerifyContext::new(gate, &self.head, &self.body, now);
        let proof = gate.provider.verify(&examination)?;
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

/// What a provider sees while it verifies: the unsigned head, and the means to prove it.
pub struct VerifyContext<'a> {
    head: &'a RequestHead,
    body: Content<'a>,
    keys: &'a KeyRing,
    window: Window,
    now: UnixSeconds,
}

/// What there is of a body.
#[derive(Clone, Copy)]
enum Content<'a> {
    /// All of it.
    Whole(&'a Bytes),
    /// What was made of it as it came by, where its sender signs it.
    Streamed(Option<&'a Running>),
}

impl<'a> VerifyContext<'a> {
    /// For who explains what came of it.
    pub(super) fn new(
        gate: &'a Verifier,
        head: &'a RequestHead,
        body: &'a Bytes,
        now: UnixSeconds,
    ) -> Self {
        Self { head, body: Content::Whole(body), keys: &gate.keys, window: gate.window, now }
    }

    /// For a body that was not kept.
    pub(super) fn streamed(
        gate: &'a Verifier,
        head: &'a RequestHead,
        running: Option<&'a Running>,
        now: UnixSeconds,
    ) -> Self {
        let body = Content::Streamed(running);
        Self { head, body, keys: &gate.keys, window: gate.window, now }
    }

    /// The head of the request.
    pub fn head(&self) -> &'a RequestHead {
        self.head
    }

    /// The time of the check.
    pub fn now(&self) -> UnixSeconds {
        self.now
    }

    /// The freshness window of the source.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Proves that the request is signed as `scheme` says, and fresh.
    ///
    /// # Errors
    /// The [`Refusal`] that the scheme's engine comes to.
    pub fn signed(&self, scheme: &Scheme) -> Result<Proof, Refusal> {
        match self.body {
            Content::Whole(body) => scheme.prove(self.head, body, self.keys, self.window, self.now),
            Content::Streamed(Some(running)) if std::ptr::eq(running.scheme, scheme) => {
                scheme.conclude(self.head, &running.macs, self.keys, self.window, self.now)
            }
            // Another scheme than the one that the MACs were begun for has proven nothing.
            Content::Streamed(_) => Err(Refusal::Mismatch),
        }
    }

    /// Proves that `token`, which does not cover the body, carries the MAC `candidate`.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`].
    pub fn vouched_by_token(&self, token: &[u8], candidate: [u8; 32]) -> Result<Proof, Refusal> {
        self.keys.vouch(token, candidate)
    }

    /// Proves that `presented` is one of the source's secrets, for senders that can only repeat
    /// a shared secret. It vouches for the headers `beside` it as it does for the body: nothing is
    /// signed, and all of it comes from who knows the secret.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`].
    pub fn vouched_by_secret(
        &self,
        presented: &[u8],
        beside: &[&'static str],
    ) -> Result<Proof, Refusal> {
        self.keys.recognise(presented, beside)
    }

    /// The text of a top-level field of a JSON body: the one look into an unverified body, for a
    /// token that travels inside. What is found proves nothing until its own MAC holds.
    pub fn token_in_body(&self, field: &str) -> Option<String> {
        match self.body {
            Content::Whole(body) => super::json::top_level_text(body, field),
            Content::Streamed(_) => None,
        }
    }
}

/// What is kept of where a verified request comes from, to stand beside its body.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The action in the path.
    pub action: Option<&'static str>,
    /// How much its proof says.
    pub strength: Strength,
    /// Which secret it was made with.
    pub secret: Fingerprint,
    /// `now − signed_at` in seconds, where the sender signs a time.
    pub skew: Option<i64>,
    /// Whether it was accepted past its token's time.
    pub late: bool,
    /// What its verified token says, as its decoded bytes.
    pub claims: Option<Bytes>,
    /// The headers to keep beside it, each as text.
    pub headers: Vec<(&'static str, String)>,
}

impl Provenance {
    pub(super) fn of(head: &RequestHead, proof: &Proof, kept: &[&'static str]) -> Self {
        let lines = head.headers.iter().filter(|(name, _)| kept.contains(name));
        let text = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
        Self {
            action: head.action,
            strength: proof.strength,
            secret: proof.secret,
            skew: proof.skew,
            late: proof.late.is_some(),
            claims: proof.claims.clone(),
            headers: lines
                .map(|(name, value)| (name, text(value)))
                .chain(head.along.iter().map(|(name, value)| (name, value.to_owned())))
                .collect(),
        }
    }
}

/// A request that its sender made.
#[derive(Clone)]
pub struct VerifiedRequest {
    head: RequestHead,
    body: Bytes,
    proof: Proof,
}

impl VerifiedRequest {
    /// The exact bytes that were received.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The SHA-256 of the body.
    pub fn body_digest(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }

    /// Whether it is a test event, which is recorded and handed to nobody.
    pub fn is_test(&self) -> bool {
        super::test_event::is_test(&self.body)
    }

    /// The action in the path. It is not signed: a hint, to be held against the body's shape.
    pub fn action(&self) -> Option<&'static str> {
        self.head.action
    }

    /// A header that the proof covers; others cannot be read any more.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        if !self.proof.covered.contains(&name) {
            return None;
        }
        self.head.headers.token(name).ok().flatten()
    }

    /// What is kept of where it comes from; of the headers those in `kept`.
    pub fn provenance(&self, kept: &[&'static str]) -> Provenance {
        Provenance::of(&self.head, &self.proof, kept)
    }

    /// What the verified token says, as its decoded bytes.
    pub fn claims(&self) -> Option<&Bytes> {
        self.proof.claims.as_ref()
    }

    /// How much the proof says.
    pub fn strength(&self) -> Strength {
        self.proof.strength
    }

    /// Which secret it was made with.
    pub fn secret(&self) -> Fingerprint {
        self.proof.secret
    }

    /// `now − signed_at` in seconds, where the sender signs a time.
    pub fn skew(&self) -> Option<i64> {
        self.proof.skew
    }

    /// The digest under which a duplicate is the same request, where the sender sent one.
    pub fn request_key(&self) -> Option<[u8; 32]> {
        self.proof.request_key
    }

    /// Whether it was accepted past its token's time.
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

/// A request whose token holds but is past its time. Only its claims can be read, to ask the
/// registry of runs whether the run is still awaited.
#[derive(Debug)]
pub struct ExpiredToken {
    verified: VerifiedRequest,
    seconds: i64,
}

impl ExpiredToken {
    /// What the verified token says.
    pub fn claims(&self) -> Option<&Bytes> {
        self.verified.claims()
    }

    /// Lets it in after all: the registry still awaits it. The event stays marked as late.
    pub fn admit(self) -> VerifiedRequest {
        self.verified
    }

    /// Refuses it as what it is without a registry that awaits it: too old, by as much as its token
    /// is past its time.
    pub fn refuse(&self) -> Refusal {
        Refusal::Stale { seconds: self.seconds }
    }
}
