//! Ingest: processes a request from the listener to its commit.
//!
//! - A [`Source`] is one configured sender.
//! - [`IngestService::accept`] verifies, classifies and records a request: whole events through
//!   [`GroupCommit`], those of a batch in a transaction of their own, chunks through the store's
//!   buffer. The resulting [`Receipt`] is only available inside a [`Committed`], and the listener
//!   needs one for a 2xx response. A handshake contains no event, and is answered without one.
//! - Where the sender publishes its keys, the one that a request names is fetched first.
//! - A request with an expired token is accepted only if its provider still expects it, which is
//!   checked only after the token's MAC is verified.
//!
//! No handler is called here. If the process crashes before the commit, the sender gets no response
//! and retries; if it crashes later, the retry is a duplicate.

mod batch;
mod brought_secret;
mod budget;
mod chunk;
mod event;
mod group_commit;
mod in_progress;
mod limits;
mod peer;
mod rate;
mod receipt;
mod slots;
mod source;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use self::event::{planned, quarantined, stored};
use self::in_progress::InProgress;
pub use budget::{BudgetExhausted, ByteBudget, Reservation};
pub use group_commit::{GroupCommit, NotStored};
pub use limits::{Peers, SlowLane, SlowSlot};
pub use peer::Peer;
pub use rate::Rate;
pub use receipt::{Accepted, Receipt, Rejection};
pub use slots::{Slot, Slots};
pub use source::Source;

use crate::store::{
    Committed, IngestRetries, Inserted, KeyDigest, NewEvent, Plan, RequestKeyAnswer,
    RequestKeyClaim, Store, StoreError,
};
use crate::verify::{
    Classified, EventKey, EventMeta, ExpiredToken, HandshakeAnswer, Quarantine, Quarantined,
    RawRequest, Refusal, StreamedBody, TEST_EVENT_TYPE, VerifiedRequest,
};

#[derive(Clone)]
pub struct IngestService {
    store: Store,
    group_commit: GroupCommit,
    committed: Arc<dyn Fn() + Send + Sync>,
    in_progress: Arc<Mutex<HashSet<KeyDigest>>>,
}

impl IngestService {
    /// `committed` is called when a chunk or a request with an idempotency key creates an event;
    /// the group commit has its own callback.
    pub fn new(
        store: Store,
        group_commit: GroupCommit,
        committed: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self { store, group_commit, committed, in_progress: Arc::default() }
    }

    /// A clone with a writer on the current runtime: see [`GroupCommit::on_this_runtime`].
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self { group_commit: self.group_commit.on_this_runtime(), ..self.clone() }
    }

    /// Verifies a request in the slow lane of its peer, classifies it and records it. A handshake
    /// is answered instead.
    pub async fn accept(
        &self,
        source: &Source,
        raw: RawRequest,
        now: OffsetDateTime,
        lane: SlowLane,
    ) -> Result<Accepted, Rejection> {
        // Rare paths are boxed: the future of every request is as large as its largest branch.
        if source.verifier.published.is_some() {
            // Before the slot is taken: others do not wait for the sender's key server.
            Box::pin(Self::fetch_key(source, &raw)).await?;
        }
        let slot = lane.acquire().await;
        let again = source.stored_secrets.is_some().then(|| raw.clone());
        let mut verified = raw.verify(&source.verifier, now.unix_timestamp());
        if let (Err(Refusal::Mismatch | Refusal::NoSecret), Some(raw)) = (&verified, again) {
            Box::pin(Self::read_secrets(source)).await?;
            verified = raw.verify(&source.verifier, now.unix_timestamp());
        }
        let verified = match verified {
            Ok(verified) => verified,
            Err(Refusal::Late(late)) => Box::pin(self.accept_late(source, *late, now)).await?,
            Err(refusal) => return Err(Rejection::Refused(refusal)),
        };
        drop(slot);
        if let Some(answer) = Self::handshake(source, &verified) {
            return Ok(Accepted::Answered(Box::new(answer)));
        }
        Self::limit_rate(source).await?;
        self.check_disk()?;
        if verified.is_test(&source.verifier) {
            return Box::pin(self.test(source, &verified, now)).await.map(Accepted::Recorded);
        }
        let recorded = match source.verifier.provider.classify(&verified) {
            Classified::Event(meta) => self.event(source, &verified, meta, now).await,
            Classified::Batch(items) => Box::pin(self.batch(source, &verified, items, now)).await,
            Classified::Chunk(chunk) => Box::pin(self.chunk(source, &verified, &chunk, now)).await,
            Classified::Quarantined(quarantined_request) => {
                self.quarantine(source, &verified, quarantined_request, now).await
            }
        };
        recorded.map(Accepted::Recorded)
    }

    /// Fetches the published key that the request names, unless it is known.
    async fn fetch_key(source: &Source, raw: &RawRequest) -> Result<(), Rejection> {
        let Some(client) = &source.sender_client else { return Ok(()) };
        let Some(needed) = raw.needed_key(&source.verifier) else { return Ok(()) };
        client.fetch_key(&source.name, &needed).await.map_err(Rejection::KeysUnavailable)
    }

    /// The answer to a challenge of the sender.
    fn handshake(source: &Source, verified: &VerifiedRequest) -> Option<HandshakeAnswer> {
        let answer = verified.handshake(&source.verifier)?;
        if let (Some(client), Some(url)) = (&source.sender_client, &answer.visit) {
            client.confirm(url.clone());
        }
        Some(answer)
    }

    /// Records an authentic request whose body exceeds the source's limit, as a dead letter without
    /// content.
    pub async fn accept_oversize(
        &self,
        source: &Source,
        body: StreamedBody,
        now: OffsetDateTime,
        lane: SlowLane,
    ) -> Result<Committed<Receipt>, Rejection> {
        let slot = lane.acquire().await;
        let request = match body.verify(&source.verifier) {
            Ok(request) => request,
            Err(refusal @ (Refusal::Mismatch | Refusal::NoSecret)) => {
                return Err(Box::pin(Self::refused_or_new_secret(source, refusal)).await);
            }
            Err(refusal) => return Err(Rejection::Refused(refusal)),
        };
        drop(slot);
        Self::limit_rate(source).await?;
        self.check_disk()?;
        let provenance = request.provenance(source.verifier.provider.kept_headers());
        let detail = format!(
            "body too large: {} bytes, limit {} (`max_body`); content not kept. SHA-256: {}",
            request.size(),
            source.max_body,
            hex::encode(request.digest()),
        );
        let quarantined_request = Quarantined {
            reason: Quarantine::TooLarge,
            detail,
            event_type: provenance.action.map(str::to_owned),
        };
        let new = quarantined(
            source,
            provenance,
            Bytes::new(),
            request.digest(),
            quarantined_request,
            now,
        );
        self.record(source, None, Box::new(new), Some(Quarantine::TooLarge)).await
    }

    /// Applies the rate limit of the source.
    async fn limit_rate(source: &Source) -> Result<(), Rejection> {
        let wait = source.rate.acquire().map_err(Rejection::RateLimited)?;
        if !wait.is_zero() {
            Box::pin(tokio::time::sleep(wait)).await;
        }
        Ok(())
    }

    /// Whether there is space for an event. Only for authentic requests: others learn nothing.
    fn check_disk(&self) -> Result<(), Rejection> {
        let is_full = self.store.is_disk_full();
        if is_full { Err(Rejection::NotStored(NotStored::DiskFull)) } else { Ok(()) }
    }

    async fn accept_late(
        &self,
        source: &Source,
        late: ExpiredToken,
        now: OffsetDateTime,
    ) -> Result<VerifiedRequest, Rejection> {
        let stale = || Rejection::Refused(late.refuse());
        let claims = late.claims().cloned().ok_or_else(stale)?;
        let expected_tokens = source.expected_tokens.as_ref().ok_or_else(stale)?;
        let mut retry = IngestRetries::until(Instant::now() + group_commit::PATIENCE);
        loop {
            let asking = async {
                let mut tx = self.store.begin_ingest().await?;
                expected_tokens.contains(&mut tx, &claims, now).await
            };
            match asking.await {
                Ok(true) => return Ok(late.admit()),
                Ok(false) => return Err(stale()),
                Err(error) if retry.should_retry(&error).await => {}
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
        let is_once = matches!(meta.key, EventKey::Once(_));
        let provenance = verified.provenance(source.verifier.provider.kept_headers());
        let (new, reason) = planned(source, provenance, verified.body().clone(), meta, now);
        let event_type = new.event.event_type.clone();
        match self.record(source, Some(verified), Box::new(new), reason).await {
            Ok(recorded) => match *recorded.get() {
                Receipt::Differs { first, digest } if is_once => {
                    let quarantined_request = Quarantined {
                        reason: Quarantine::IdReused,
                        detail: format!(
                            "id reused: event {first} has the same id and a different body \
                             (SHA-256 {} then, {} now)",
                            hex::encode(digest),
                            hex::encode(verified.body_digest()),
                        ),
                        event_type: Some(event_type),
                    };
                    self.quarantine(source, verified, quarantined_request, now).await
                }
                _ => Ok(recorded),
            },
            Err(rejection) => Err(rejection),
        }
    }

    /// Records a test event. It is delivered to nobody.
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
        self.record(source, Some(verified), Box::new(new), None).await
    }

    async fn quarantine(
        &self,
        source: &Source,
        verified: &VerifiedRequest,
        quarantined_request: Quarantined,
        now: OffsetDateTime,
    ) -> Result<Committed<Receipt>, Rejection> {
        let reason = quarantined_request.reason;
        let provenance = verified.provenance(source.verifier.provider.kept_headers());
        let (body, digest) = (verified.body().clone(), verified.body_digest());
        let new = quarantined(source, provenance, body, digest, quarantined_request, now);
        self.record(source, Some(verified), Box::new(new), Some(reason)).await
    }

    async fn record(
        &self,
        source: &Source,
        verified: Option<&VerifiedRequest>,
        new: Box<NewEvent>,
        quarantined: Option<Quarantine>,
    ) -> Result<Committed<Receipt>, Rejection> {
        let event = new.event.id;
        let receipt = |recorded| match (recorded, quarantined) {
            (Inserted::Duplicate(first), _) => Receipt::Duplicate(first),
            (Inserted::Differs { first, digest }, _) => Receipt::Differs { first, digest },
            (Inserted::New, Some(reason)) => Receipt::Quarantined(event, reason),
            (Inserted::New, None) => Receipt::Accepted(event),
        };
        let keyed_request = verified.and_then(|verified| Some((verified.request_key()?, verified)));
        let Some((request_key, verified)) = keyed_request else {
            let recorded = self.group_commit.record(new).await.map_err(Rejection::NotStored)?;
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
}

fn not_stored(error: &StoreError) -> Rejection {
    Rejection::NotStored(group_commit::log_and_classify(error))
}
