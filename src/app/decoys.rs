//! Decoys: unknown sources, and requests that are rejected by their headers alone, behave like
//! known sources for a client.

use std::sync::Arc;

use crate::ingest::{Rate, Source};
use crate::verify::{KeyRing, Secret, Verifier, WeakSecret};
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

/// A decoy that looks like `source` to clients and rejects every request, because its secrets are
/// random. It is used for a part of the unknown source names.
pub(super) fn decoy_source(source: &Source, rate: Rate) -> Result<Source, WeakSecret> {
    let lengths = source.verifier.keys.lengths();
    let secrets = lengths.map(unknown_secret).collect::<Result<_, _>>()?;
    Ok(Source {
        name: Arc::from(format!("none, like {}", source.name)),
        tenant: source.tenant.clone(),
        verifier: Verifier { keys: KeyRing::new(secrets)?, ..source.verifier.clone() },
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

fn unknown_secret(bytes: usize) -> Result<Secret, WeakSecret> {
    let random = std::iter::repeat_with(|| rand::random::<u8>() | 0x80);
    Secret::new(random.take(bytes).collect::<Vec<_>>())
}

/// A number that clients cannot know, and that is stable as long as the secret is.
pub(super) fn seed(secret: &Secret) -> u64 {
    let digest = secret.sign(&[b"sealpost stand-ins v1"]);
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
