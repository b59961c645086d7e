//! Decoys: unknown sources, and requests that are rejected by their headers alone, behave like
//! known sources for a client.

use std::sync::Arc;

use bytes::Bytes;

use crate::ingest::{Rate, Source};
use crate::verify::{
    BroughtSecret, Classified, EventMethod, HandshakeAnswer, HandshakeMethod, KeyRing, Prompt,
    Proof, Provider, Refusal, RequestHead, Scheme, Secret, UnixSeconds, VerifiedRequest, Verifier,
    VerifyContext, WeakSecret, Window,
};
use crate::web::{Decoy, Oversize};

/// The decoy for requests that are rejected by their headers.
pub(super) fn decoy(sources: &[Arc<Source>]) -> Result<Decoy, WeakSecret> {
    let mut headers: Vec<&'static str> =
        sources.iter().flat_map(|source| source.verifier.provider.headers()).copied().collect();
    headers.sort_unstable();
    headers.dedup();
    let parameters =
        sources.iter().flat_map(|source| source.verifier.provider.parameters()).map(str::to_owned);
    Ok(Decoy { secret: unknown_secret(32)?, headers, parameters: parameters.collect() })
}

/// Handling of bodies that are larger than every source accepts.
pub(super) fn oversize(sources: &[Arc<Source>]) -> Oversize {
    Oversize::beyond(sources.iter().map(|source| source.max_body).max().unwrap_or_default())
}

/// A decoy that looks like `source` to clients and rejects every request. It is used for a part of
/// the unknown source names.
pub(super) fn decoy_source(source: &Source, rate: Rate) -> Result<Source, WeakSecret> {
    let lengths = source.verifier.keys.lengths();
    let secrets = lengths.map(unknown_secret).collect::<Result<Vec<_>, _>>()?;
    let keys = if secrets.is_empty() { KeyRing::without_secrets() } else { KeyRing::new(secrets)? };
    let keys = keys.sharing_stored(&source.verifier.keys);
    let provider = Arc::new(RejectsAll(Arc::clone(&source.verifier.provider)));
    Ok(Source {
        name: Arc::from(format!("none, like {}", source.name)),
        tenant: source.tenant.clone(),
        verifier: Verifier { provider, keys, ..source.verifier.clone() },
        // Fetching a key takes as long as it does for the source.
        sender_client: source.sender_client.clone(),
        stored_secrets: source.stored_secrets.clone(),
        handlers_for: Arc::clone(&source.handlers_for),
        expected_tokens: None,
        max_body: source.max_body,
        body_deadline: source.body_deadline,
        lane_blocks: source.lane_blocks,
        chunk_quota: source.chunk_quota,
        rate,
        keep_rejected: None,
    })
}

/// The provider of a decoy: it reads and verifies like another one, and then rejects. Random
/// secrets are not enough: the signature of a sender that publishes its keys fits every source.
struct RejectsAll(Arc<dyn Provider>);

impl Provider for RejectsAll {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn actions(&self) -> &'static [&'static str] {
        self.0.actions()
    }

    fn headers(&self) -> &[&'static str] {
        self.0.headers()
    }

    fn parameters(&self) -> Vec<&str> {
        self.0.parameters()
    }

    fn redact(&self, head: &mut RequestHead, body: &mut Bytes) {
        self.0.redact(head, body);
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.0.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.0.verify(request).and(Err(Refusal::Mismatch))
    }

    fn scheme(&self, head: &RequestHead) -> Option<&Arc<Scheme>> {
        self.0.scheme(head)
    }

    fn fetches_keys(&self) -> bool {
        self.0.fetches_keys()
    }

    fn event_method(&self) -> EventMethod {
        self.0.event_method()
    }

    fn reads_target(&self) -> bool {
        self.0.reads_target()
    }

    fn handshake_methods(&self) -> &[HandshakeMethod] {
        self.0.handshake_methods()
    }

    fn has_open_handshake(&self) -> bool {
        self.0.has_open_handshake()
    }

    fn handshake(&self, keys: &KeyRing, prompt: Prompt<'_>) -> Option<HandshakeAnswer> {
        std::hint::black_box(self.0.handshake(keys, prompt)).and(None)
    }

    fn stores_secrets(&self) -> bool {
        self.0.stores_secrets()
    }

    /// It looks for a window as long as the source does; there is none for a decoy.
    fn brought_secret(&self, keys: &KeyRing, prompt: Prompt<'_>) -> Option<BroughtSecret> {
        self.0.brought_secret(keys, prompt)
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        self.0.classify(request)
    }
}

fn unknown_secret(bytes: usize) -> Result<Secret, WeakSecret> {
    let random = std::iter::repeat_with(|| rand::random::<u8>() | 0x80);
    Secret::new(random.take(bytes).collect::<Vec<_>>())
}

/// A number that clients cannot know, and that is stable as long as the secret is.
pub(super) fn seed(secret: &Secret) -> u64 {
    let digest = secret.sign(&[b"sealpost stand-ins v1"]);
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
