//! Requests with a piece of a payload.

use time::OffsetDateTime;

use super::{IngestService, Receipt, Rejection, Source, not_stored};
use crate::store::{ChunkAnswer, ChunkOutcome, ChunkRejected, Committed, NewChunk, Plan};
use crate::verify::{Chunk, Quarantined, VerifiedRequest};

impl IngestService {
    pub(super) async fn chunk(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        chunk: &Chunk,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        let event_type = chunk.manifest.event_type;
        let plan = Plan::Deliver {
            handlers: (source.handlers_for)(event_type),
            lane_blocks: source.lane_blocks,
        };
        let kept = verified.provenance(source.verifier.provider.kept_headers()).headers.into_iter();
        let new = NewChunk {
            chunk,
            tenant: &source.tenant,
            source: &source.name,
            provider: source.verifier.provider.name(),
            action: verified.action(),
            strength: verified.strength(),
            secret: verified.secret().to_string(),
            headers: kept.map(|(name, value)| (name.to_owned(), value)).collect(),
            now,
            plan: &plan,
        };
        let added = self.store.add_chunk(&new, source.chunk_quota).await;
        let kept = match added.map_err(|error| not_stored(&error))? {
            ChunkAnswer::Kept(kept) => kept,
            ChunkAnswer::ChunkRejected(ChunkRejected::Full) => return Err(Rejection::ChunkQuota),
            ChunkAnswer::ChunkRejected(ChunkRejected::Conflict(reason, detail)) => {
                let quarantined_request =
                    Quarantined { reason, detail, event_type: Some(event_type.to_owned()) };
                return self.quarantine(source, verified, quarantined_request, now).await;
            }
        };
        if matches!(kept.get(), ChunkOutcome::Whole(_)) {
            (self.committed)();
        }
        Ok(kept.map(|kept| match kept {
            ChunkOutcome::Kept { event, have, total } => Receipt::Chunk { event, have, total },
            ChunkOutcome::Whole(event) => Receipt::Accepted(event),
            ChunkOutcome::Broken(event, reason) => Receipt::Quarantined(event, reason),
            ChunkOutcome::Repeated(event) => Receipt::Duplicate(event),
        }))
    }
}
