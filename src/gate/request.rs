//! A request before and after verification, and what a provider may look at in between.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    Fingerprint, KeyRing, Proof, Provider, Refusal, Scheme, Strength, UnixSeconds, Window,
};

/// The headers that a source's provider asked for, by lower-case name, in order of arrival.
/// Others are not carried at all: what is not read cannot leak.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(&'static str, Bytes)>);

impl Headers {
    /// Adds one received header line.
    pub fn push(&mut self, name: &'static str, value: Bytes) {
        self.0.push((name, value));
    }

    /// The value of a header that may stand at most once.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it stands twice (two readers would disagree about which one
    /// counts) or is not visible ASCII.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut lines = self.0.iter().filter(|(header, _)| *header == name);
        let Some((_, value)) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err(Refusal::Malformed(name));
        }
        let visible = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        match std::str::from_utf8(value) {
            Ok(text) if visible => Ok(Some(text)),
            _ => Err(Refusal::Malformed(name)),
        }
    }

    /// Every header line, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Bytes)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Every value of a header, in order of arrival.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter(move |(header, _)| *header == name).map(|(_, value)| value)
    }

    /// As [`Headers::single`], for a header without which there is nothing to check.
    ///
    /// # Errors
    /// [`Refusal::Missing`] when it is not there, otherwise as [`Headers::single`].
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.single(name)?.ok_or(Refusal::Missing(name))
    }
}

/// Everything of a request but its body. None of it can be believed.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// The action that the path names, such as `create`; paths are not signed.
    pub action: Option<&'static str>,
    /// The query string, undecoded.
    pub query: Option<String>,
    /// The headers that the provider asked for.
    pub headers: Headers,
}

/// How one source lets requests in.
#[derive(Clone)]
pub struct Gate {
    /// What kind of sender it is.
    pub provider: Arc<dyn Provider>,
    /// Its secrets.
    pub keys: KeyRing,
    /// How fresh a signature must be.
    pub window: Window,
}

impl Gate {
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
    pub fn verify(self, gate: &Gate, now: UnixSeconds) -> Result<VerifiedRequest, Refusal> {
        let examination = Examination::new(gate, &self.head, &self.body, now);
        let proof = gate.provider.verify(&examination)?;
        let late = proof.late;
        let verified = VerifiedRequest { head: self.head, body: self.body, proof };
        if late {
            return Err(Refusal::Late(Box::new(LateRequest(verified))));
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
pub struct Examination<'a> {
    head: &'a RequestHead,
    body: &'a Bytes,
    keys: &'a KeyRing,
    window: Window,
    now: UnixSeconds,
}

impl<'a> Examination<'a> {
    /// For who explains what came of it.
    pub(super) fn new(
        gate: &'a Gate,
        head: &'a RequestHead,
        body: &'a Bytes,
        now: UnixSeconds,
    ) -> Self {
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
        scheme.prove(self.head, self.body, self.keys, self.window, self.now)
    }

    /// Proves that `token`, which does not cover the body, carries the MAC `candidate`.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`].
    pub fn vouched_by_token(&self, token: &[u8], candidate: [u8; 32]) -> Result<Proof, Refusal> {
        self.keys.vouch(token, candidate)
    }

    /// Proves that `presented` is one of the source's secrets, for senders that can only repeat
    /// a shared secret.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`].
    pub fn vouched_by_secret(&self, presented: &[u8]) -> Result<Proof, Refusal> {
        self.keys.recognise(presented)
    }

    /// The text of a top-level field of a JSON body: the one look into an unverified body, for a
    /// token that travels inside. What is found proves nothing until its own MAC holds.
    pub fn token_in_body(&self, field: &str) -> Option<String> {
        super::json::top_level_text(self.body, field)
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

    /// The action in the path. It is not signed: a hint, to be held against the body's shape.
    pub fn action(&self) -> Option<&'static str> {
        self.head.action
    }

    /// A header that is part of the signed text; others cannot be read any more.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        if !self.proof.covered.contains(&name) {
            return None;
        }
        self.head.headers.single(name).ok().flatten()
    }

    /// The headers to keep beside the event: of those that the provider names, each as text.
    pub fn kept_headers(&self, names: &[&'static str]) -> Vec<(&'static str, String)> {
        let lines = self.head.headers.0.iter().filter(|(name, _)| names.contains(name));
        lines.map(|(name, value)| (*name, String::from_utf8_lossy(value).into_owned())).collect()
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

    /// The digest under which a repetition is the same request, where the sender sent one.
    pub fn request_key(&self) -> Option<[u8; 32]> {
        self.proof.request_key
    }

    /// Whether it was let in past its token's time.
    pub fn late(&self) -> bool {
        self.proof.late
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
pub struct LateRequest(VerifiedRequest);

impl LateRequest {
    /// What the verified token says.
    pub fn claims(&self) -> Option<&Bytes> {
        self.0.claims()
    }

    /// Lets it in after all: the registry still awaits it. The event stays marked as late.
    pub fn admit(self) -> VerifiedRequest {
        self.0
    }
}
