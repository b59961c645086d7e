//! Rejected requests: kept sealed for a while, so that an operator can learn why they were rejected
//! and reprocess them once the cause is fixed.
//!
//! - [`RejectedRequestWriter`] takes them from the listener.
//! - [`RejectedRequests`] is what operators do with them. Nothing of a rejected request reaches a
//!   handler before it was *reprocessed*: by the source's present gate, as of its time of arrival,
//!   and on from there by the way that every request takes ([`Reprocess`]). Many at once are a
//!   [`Job`](super::Job).

mod bulk;
mod sealed;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use uuid::Uuid;

pub use writer::{NewlyRejected, RejectedRequestWriter};

use super::payload_reads::{self, Read};
use super::{AdminError, Caller, Explained, Reason, RecordedRequest, Scope, Verifiers};
use crate::clock::SharedClock;
use crate::store::{
    AuditEntry, EventId, RejectedRequest, RejectedRequestFilter, Store, StoreError,
};
use crate::vault::Vault;
use crate::verify::RequestHead;

/// The most that one page lists.
const MAX_PAGE: u32 = 1000;

/// Lets a request in that was refused once, if its source's gate has nothing against it now.
#[async_trait]
pub trait Reprocess: Send + Sync + 'static {
    /// Takes it from verification to its commit, as of its time of arrival.
    ///
    /// # Errors
    /// [`ReprocessError`].
    async fn reprocess(
        &self,
        source: &str,
        head: RequestHead,
        body: Bytes,
        received_at: OffsetDateTime,
    ) -> Result<Reprocessed, ReprocessError>;
}

/// What a request has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reprocessed {
    /// The event.
    pub event: EventId,
    /// Whether that was there before.
    pub duplicate: bool,
}

/// Why a request was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReprocessError {
    /// Verification still rejects it.
    #[error("rejected again")]
    Refused,
    /// Its source is not enabled.
    #[error("the source is not enabled")]
    NoSource,
    /// It is authentic, and can never be recorded.
    #[error("authentic, but cannot be recorded: {0}")]
    NotRecorded(String),
    /// It is authentic, and could not be recorded now: another try may do it.
    #[error("authentic, but cannot be recorded at the moment: {0}")]
    Busy(String),
}

/// The rejected requests, for those who do something about them.
#[derive(Clone)]
pub struct RejectedRequests {
    store: Store,
    clock: SharedClock,
    vault: Vault,
    gates: Verifiers,
    reprocess: Arc<dyn Reprocess>,
}

/// A rejected request as it is shown.
#[derive(Debug, Clone)]
pub struct RejectedRequestDetail {
    /// What is known of it.
    pub request: RejectedRequest,
    /// Its head and body; `None` where the caller may not see payloads, and where it is an event by
    /// now, which has them.
    pub payload: Option<RecordedRequest>,
    /// Why it is refused now; `None` where it is an event by now.
    pub explained: Option<Explained>,
}

/// What came of verifying a request again.
#[derive(Debug, Clone)]
pub enum Verified {
    /// It is an event.
    Admitted(Reprocessed),
    /// It is refused again, for this reason.
    Refused(Box<Explained>),
}

impl RejectedRequests {
    /// The rejected requests of `store`, which `vault` opens. They are explained by `gates` and
    /// accepted by `reprocess`.
    pub fn new(
        store: Store,
        clock: SharedClock,
        vault: Vault,
        gates: Verifiers,
        reprocess: Arc<dyn Reprocess>,
    ) -> Self {
        Self { store, clock, vault, gates, reprocess }
    }

    /// Up to `limit`, the newest first: of `source`, and older than `before`.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without `secrets:write`; [`AdminError::Store`].
    pub async fn list(
        &self,
        caller: &Caller,
        source: Option<&str>,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<RejectedRequest>, AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let filter = RejectedRequestFilter {
            tenant: caller.tenant().map(str::to_owned),
            source: source.map(str::to_owned),
            before,
        };
        Ok(self.store.rejected_requests(&filter, i64::from(limit.min(MAX_PAGE))).await?)
    }

    /// Everything about one, with why it is refused by the present secrets. The payload is for
    /// callers with `payload:read`.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without `secrets:write`; [`AdminError::NotFound`];
    /// [`AdminError::Vault`]; [`AdminError::Store`].
    pub async fn show(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<RejectedRequestDetail, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        let explained = match &payload {
            Some(payload) => Some(self.explained(caller, &request, payload).await?),
            None => None,
        };
        let payload = payload.filter(|_| caller.may(Scope::PayloadRead));
        if payload.is_some() {
            let now = self.clock.now();
            payload_reads::note(&self.store, caller, Read::Looked, &target(id), now).await?;
        }
        Ok(RejectedRequestDetail { request, payload, explained })
    }

    /// Why it is refused by the present secrets, or that it is not.
    ///
    /// # Errors
    /// As [`RejectedRequests::show`]; [`AdminError::Conflict`] where it is an event by now.
    pub async fn explain(&self, caller: &Caller, id: Uuid) -> Result<Explained, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        let payload = payload.ok_or_else(|| is_event(&request))?;
        self.explained(caller, &request, &payload).await
    }

    /// Verifies it again, as of its time of arrival, and lets it in where it holds.
    ///
    /// # Errors
    /// As [`RejectedRequests::explain`]; [`AdminError::Conflict`] where it cannot be recorded now.
    pub async fn verify(
        &self,
        caller: &Caller,
        id: Uuid,
        reason: &str,
    ) -> Result<Verified, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        let reason = Reason::new(reason)?.get();
        let payload = payload.ok_or_else(|| is_event(&request))?;
        self.gates.of(caller, &request.source)?;
        // Before it is accepted: no event comes in this way without an entry in the log.
        self.note(caller, id, "reprocess rejected request", reason).await?;
        match self.let_in(caller, &request, &payload).await? {
            Ok(reprocessed) => Ok(Verified::Admitted(reprocessed)),
            Err(ReprocessError::Refused) => {
                self.note(caller, id, "reprocess rejected request, rejected again", reason).await?;
                let explained = self.explained(caller, &request, &payload).await?;
                Ok(Verified::Refused(Box::new(explained)))
            }
            Err(error) => Err(AdminError::Conflict(error.to_string())),
        }
    }

    /// Accepts it where it verifies, and notes which event it is.
    async fn let_in(
        &self,
        caller: &Caller,
        request: &RejectedRequest,
        payload: &RecordedRequest,
    ) -> Result<Result<Reprocessed, ReprocessError>, AdminError> {
        let (source, at) = (&request.source, request.received_at);
        let head = self.gates.of(caller, source)?.head(payload);
        let reprocessed = self.reprocess.reprocess(source, head, payload.body.clone(), at).await;
        if let Ok(reprocessed) = &reprocessed {
            let mut tx = self.store.begin().await?;
            // Whoever was quicker has made the same event of it.
            tx.mark_reprocessed(request.id, reprocessed.event, caller.actor(), self.clock.now())
                .await?;
            tx.commit(()).await?;
        }
        Ok(reprocessed)
    }

    /// Removes it before its time.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without `secrets:write`; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn discard(&self, caller: &Caller, id: Uuid, reason: &str) -> Result<(), AdminError> {
        self.found(caller, id).await?;
        let reason = Reason::new(reason)?.get();
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !tx.discard_rejected(id).await? {
            return Err(not_found(id));
        }
        tx.audit_with(
            &entry(caller, "discard rejected request", reason, now, &target(id)),
            caller.audit_more(),
        )
        .await?;
        tx.commit(()).await?;
        Ok(())
    }

    async fn found(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(RejectedRequest, Option<crate::vault::Sealed>), AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let found = self.store.rejected_request(id).await?;
        found
            .filter(|(request, _)| caller.tenant().is_none_or(|tenant| tenant == request.tenant))
            .ok_or_else(|| not_found(id))
    }

    async fn open(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(RejectedRequest, Option<RecordedRequest>), AdminError> {
        let (request, sealed) = self.found(caller, id).await?;
        let whose = (&*request.tenant, &*request.source, id);
        let opened = sealed.map(|sealed| sealed::open(&self.vault, whose, &sealed)).transpose()?;
        let opened = opened
            .map(|opened| RecordedRequest { received_at: Some(request.received_at), ..opened });
        Ok((request, opened))
    }

    /// Looked for on a thread of its own: a client chooses how long it takes.
    async fn explained(
        &self,
        caller: &Caller,
        request: &RejectedRequest,
        payload: &RecordedRequest,
    ) -> Result<Explained, AdminError> {
        let (caller, gates, payload) = (caller.clone(), self.gates.clone(), payload.clone());
        let (source, at) = (request.source.clone(), request.received_at);
        let explained =
            spawn_blocking(move || super::explain(&caller, &gates, &source, &payload, at, &[]));
        let broken = |_| AdminError::Conflict("the diagnosis failed".to_owned());
        explained.await.map_err(broken)?
    }

    /// Records what was asked for, or came to nothing.
    async fn note(
        &self,
        caller: &Caller,
        id: Uuid,
        action: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let target = target(id);
        let entry = entry(caller, action, reason, self.clock.now(), &target);
        tx.audit_with(&entry, caller.audit_more()).await?;
        tx.commit(()).await?;
        Ok(())
    }
}

fn entry<'a>(
    caller: &'a Caller,
    action: &'a str,
    reason: &'a str,
    at: OffsetDateTime,
    target: &'a str,
) -> AuditEntry<'a> {
    AuditEntry { at, actor: caller.actor(), action, target, reason, count: 1 }
}

fn target(id: Uuid) -> String {
    format!("rejected request {id}")
}

fn not_found(id: Uuid) -> AdminError {
    AdminError::NotFound(target(id))
}

fn is_event(request: &RejectedRequest) -> AdminError {
    let event = request.event_id.map(|event| format!(" {event}")).unwrap_or_default();
    AdminError::Conflict(format!("already reprocessed as event{event}"))
}
