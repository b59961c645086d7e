//! Ingest: takes a request from the listener to its commit.
//!
//! - A [`Source`] is one configured sender.
//! - [`Intake::accept`] verifies a request, names it, and records it: by the [`GroupCommit`] for whole
//!   events, by the store's buffer for chunks. It gives a [`Receipt`], but only inside a
//!   [`Committed`]: the listener can answer 2xx with nothing else.
//! - A late request is accepted only if its provider's registry still expects it, which is checked
//!   only after the token's MAC is verified.
//!
//! Nothing here calls a handler. When the process dies before the commit, the sender gets no
//! response and retries; when it dies after, the retry is a duplicate.

mod budget;
mod event;
mod group_commit;
mod in_progress;
mod limits;
mod peer;
mod rate;
mod slots;
mod source;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use self::event::{quarantined, stored};
use self::in_progress::InProgress;
pub use budget::{ByteBudget, NoRoom, Reservation};
pub use group_commit::{GroupCommit, NotStored};
pub use limits::{Peers, SlowLane, SlowPlace};
pub use peer::Peer;
pub use rate::Rate;
pub use slots::{Place, Places};
pub use source::{HandlersFor, Source};

use crate::store::{
    ChunkAnswer, ChunkOutcome, ChunkRejected, Committed, EventId, Inserted, KeyDigest, NewChunk,
    NewEvent, Plan, RequestKeyAnswer, RequestKeyClaim, RetryUntil, Store, StoreError, StoredEvent,
};
use crate::verify::{
    Chunk, Classified, EventKey, EventMeta, ExpiredToken, Quarantine, Quarantined, RawRequest,
    Refusal, StreamedBody, TEST_EVENT_TYPE, VerifiedRequest,
};

/// What became of an authentic request. Only ever seen inside a [`Committed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Stored as this event.
    Accepted(EventId),
    /// Seen before, as this event.
    Duplicate(EventId),
    /// Its id was seen before, as this event, with another body.
    Differs {
        /// The event.
        first: EventId,
        /// The SHA-256 of the body that it came with.
        digest: [u8; 32],
    },
    /// Stored as a dead letter, for this reason.
    Quarantined(EventId, Quarantine),
    /// A chunk of what will be this event.
    Chunk {
        /// The event's id.
        event: EventId,
        /// How many chunks are there.
        have: u32,
        /// Of how many.
        total: u32,
    },
    /// The request named itself and was answered before: the same answer again.
    Replayed {
        /// The event.
        event: EventId,
        /// Whether the first answer was that it is quarantined.
        quarantined: bool,
    },
}

/// Why a request was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Not authentic, or not fresh.
    #[error("request rejected")]
    Refused(#[source] Refusal),
    /// The idempotency key was used with another body.
    #[error("the idempotency key was already used with a different body")]
    KeyReused,
    /// A request with the same idempotency key is being recorded.
    #[error("a request with this idempotency key is in progress")]
    InProgress,
    /// The source sends more than its quota.
    #[error("the source exceeds its rate limit")]
    RateLimited(std::time::Duration),
    /// As much is waiting in open transfers as the source may have.
    #[error("the source exceeds its quota for open transfers")]
    ChunkQuota,
    /// It is not known to be stored.
    #[error("event not stored, or commit unknown")]
    NotStored(#[source] NotStored),
}

/// Takes requests from the listener to their commit.
#[derive(Clone)]
pub struct Intake {
    store: Store,
    batch: GroupCommit,
    committed: Arc<dyn Fn() + Send + Sync>,
    in_progress: Arc<Mutex<HashSet<KeyDigest>>>,
}

impl Intake {
    /// An intake that records by `batch` and `store`. `committed` is called when a chunk or a
    /// request that names itself made an event; the batch calls its own.
    pub fn new(store: Store, batch: GroupCommit, committed: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { store, batch, committed, in_progress: Arc::default() }
    }

    /// The same with a writer on the present runtime: see [`GroupCommit::on_this_runtime`].
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self { batch: self.batch.on_this_runtime(), ..self.clone() }
    }

    /// Verifies a request in the lane of its peer, names it and records it.
    ///
    /// # Errors
    /// A [`Rejection`] when it is not authentic, or not known to be stored.
    pub async fn accept(
        &self,
        source: &Source,
        raw: RawRequest,
        now: OffsetDateTime,
        lane: SlowLane,
    ) -> Result<Committed<Receipt>, Rejection> {
        let place = lane.place().await;
        let verified = match raw.verify(&source.gate, now.unix_timestamp()) {
            Ok(verified) => verified,
            Err(Refusal::Late(late)) => Box::pin(self.admit_late(source, *late, now)).await?,
            Err(refusal) => return Err(Rejection::Refused(refusal)),
        };
        drop(place);
        Self::turn(source).await?;
        // What is rare is boxed: the future of every request is as large as its largest part.
        if verified.is_test() {
            return Box::pin(self.test(source, &verified, now)).await;
        }
        match source.gate.provider.classify(&verified) {
            Classified::Event(envelope) => self.event(source, &verified, envelope, now).await,
            Classified::Chunk(chunk) => Box::pin(self.chunk(source, &verified, &chunk, now)).await,
            Classified::Quarantined(useless) => {
                self.quarantine(source, &verified, useless, now).await
            }
        }
    }

    /// Records that an authentic request came whose body is larger than the source keeps: as a dead
    /// letter without content.
    ///
    /// # Errors
    /// A [`Rejection`] when it is not authentic, or not known to be stored.
    pub async fn accept_oversize(
        &self,
        source: &Source,
        body: StreamedBody,
        now: OffsetDateTime,
        lane: SlowLane,
    ) -> Result<Committed<Receipt>, Rejection> {
        let place = lane.place().await;
        let request = body.verify(&source.gate).map_err(Rejection::Refused)?;
        drop(place);
        Self::turn(source).await?;
        let provenance = request.provenance(source.gate.provider.kept_headers());
        let detail = format!(
            "body too large: {} bytes, limit {} (`max_body`); content not kept. SHA-256: {}",
            request.size(),
            source.max_body,
            hex::encode(request.digest()),
        );
        let useless = Quarantined {
            reason: Quarantine::TooLarge,
            detail,
            event_type: provenance.action.map(str::to_owned),
        };
        let new = quarantined(source, provenance, Bytes::new(), request.digest(), useless, now);
        self.record(source, None, new, Some(Quarantine::TooLarge)).await
    }

    /// Waits for the request's turn.
    async fn turn(source: &Source) -> Result<(), Rejection> {
        let wait = source.rate.turn().map_err(Rejection::RateLimited)?;
        if !wait.is_zero() {
            Box::pin(tokio::time::sleep(wait)).await;
        }
        Ok(())
    }

    async fn admit_late(
        &self,
        source: &Source,
        late: ExpiredToken,
        now: OffsetDateTime,
    ) -> Result<VerifiedRequest, Rejection> {
        let stale = || Rejection::Refused(late.refuse());
        let claims = late.claims().cloned().ok_or_else(stale)?;
        let registry = source.registry.as_ref().ok_or_else(stale)?;
        let mut again = RetryUntil::until(Instant::now() + group_commit::PATIENCE);
        loop {
            let asking = async {
                let mut tx = self.store.begin_ingest().await?;
                registry.awaits(&mut tx, &claims, now).await
            };
            match asking.await {
                Ok(true) => return Ok(late.admit()),
                Ok(false) => return Err(stale()),
                Err(error) if again.after(&error).await => {}
                Err(error) => return Err(not_stored(&error)),
            }
        }
    }

    async fn event(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        meta: EventMeta,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        if meta.event_type.len() > EventMeta::MAX_EVENT_TYPE || meta.event_type.contains('\0') {
            let detail = format!("event type too long: {} bytes", meta.event_type.len());
            let useless = Quarantined { reason: Quarantine::FieldLength, detail, event_type: None };
            return self.quarantine(source, verified, useless, now).await;
        }
        let plan = Plan::Deliver {
            handlers: (source.takers)(&meta.event_type),
            lane_blocks: source.lane_blocks,
        };
        let key = KeyDigest::of(&source.tenant, &source.name, &meta.key);
        let event = StoredEvent {
            occurred_at: meta.occurred_at,
            ..stored(
                source,
                verified.provenance(source.gate.provider.kept_headers()),
                verified.body().clone(),
                meta.event_type.into_owned(),
                now,
            )
        };
        let digest = (!matches!(meta.key, EventKey::BodyDigest(_))).then(|| verified.body_digest());
        let once = matches!(meta.key, EventKey::Once(_));
        let new = NewEvent { event, key, digest, lane: meta.lane, plan };
        let event_type = new.event.event_type.clone();
        match self.record(source, Some(verified), new, None).await {
            Ok(recorded) => match *recorded.get() {
                Receipt::Differs { first, digest } if once => {
                    let useless = Quarantined {
                        reason: Quarantine::IdReused,
                        detail: format!(
                            "id reused: event {first} has the same id and a different body \
                             (SHA-256 {} then, {} now)",
                            hex::encode(digest),
                            hex::encode(verified.body_digest()),
                        ),
                        event_type: Some(event_type),
                    };
                    self.quarantine(source, verified, useless, now).await
                }
                _ => Ok(recorded),
            },
            Err(rejection) => Err(rejection),
        }
    }

    /// Records a test event. Nobody is handed it: neither a handler nor an application has any use
    /// for it.
    async fn test(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        let key = EventKey::BodyDigest(verified.body_digest());
        let new = NewEvent {
            event: stored(
                source,
                verified.provenance(&[]),
                verified.body().clone(),
                TEST_EVENT_TYPE.to_owned(),
                now,
            ),
            key: KeyDigest::of(&source.tenant, &source.name, &key),
            digest: None,
            lane: None,
            plan: Plan::Deliver { handlers: Vec::new(), lane_blocks: source.lane_blocks },
        };
        self.record(source, Some(verified), new, None).await
    }

    async fn quarantine(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        useless: Quarantined,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        let reason = useless.reason;
        let provenance = verified.provenance(source.gate.provider.kept_headers());
        let (body, digest) = (verified.body().clone(), verified.body_digest());
        let new = quarantined(source, provenance, body, digest, useless, now);
        self.record(source, Some(verified), new, Some(reason)).await
    }

    async fn record(
        &self,
        source: &Source,
        verified: Option<&VerifiedRequest>,
        new: NewEvent,
        quarantined: Option<Quarantine>,
    ) -> Result<Committed<Receipt>, Rejection> {
        let event = new.event.id;
        let receipt = |recorded| match (recorded, quarantined) {
            (Inserted::Seen(first), _) => Receipt::Duplicate(first),
            (Inserted::Differs { first, digest }, _) => Receipt::Differs { first, digest },
            (Inserted::Fresh, Some(reason)) => Receipt::Quarantined(event, reason),
            (Inserted::Fresh, None) => Receipt::Accepted(event),
        };
        let named = verified.and_then(|verified| Some((verified.request_key()?, verified)));
        let Some((request_key, verified)) = named else {
            let recorded = self.batch.record(new).await.map_err(Rejection::NotStored)?;
            return Ok(recorded.map(receipt));
        };
        let request = KeyDigest::of_request(&source.tenant, &source.name, &request_key);
        let _claim = InProgress::claim(&self.in_progress, request)?;
        let keyed = self.store.record_keyed(&new, request, verified.body_digest());
        let keyed = Box::pin(keyed).await.map_err(|error| not_stored(&error))?;
        let RequestKeyAnswer::Inserted(keyed) = keyed else { return Err(Rejection::KeyReused) };
        (self.committed)();
        Ok(keyed.map(|keyed| match keyed {
            RequestKeyClaim::Inserted(recorded) => receipt(recorded),
            RequestKeyClaim::Replayed { event, quarantined } => {
                Receipt::Replayed { event, quarantined }
            }
        }))
    }

    async fn chunk(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        chunk: &Chunk,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        let event_type = chunk.manifest.event_type;
        let plan = Plan::Deliver {
            handlers: (source.takers)(event_type),
            lane_blocks: source.lane_blocks,
        };
        let kept = verified.provenance(source.gate.provider.kept_headers()).headers.into_iter();
        let new = NewChunk {
            chunk,
            tenant: &source.tenant,
            source: &source.name,
            provider: source.gate.provider.name(),
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
                let useless =
                    Quarantined { reason, detail, event_type: Some(event_type.to_owned()) };
                return self.quarantine(source, verified, useless, now).await;
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

fn not_stored(error: &StoreError) -> Rejection {
    Rejection::NotStored(group_commit::explain(error))
}
