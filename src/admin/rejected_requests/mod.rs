//! Rejected requests: kept sealed for a while, so that users can see why they were rejected and
//! reprocess them once the cause is fixed.
//!
//! - [`RejectedRequestWriter`] takes them from the listener.
//! - [`RejectedRequests`] is the service for users. A rejected request reaches a handler only after
//!   it was *reprocessed*: verified again by the current verifier of its source, as of its time of
//!   arrival, and then ingested like any other request ([`Reprocess`]). Bulk actions are a
//!   [`Job`](super::Job).

mod bulk;
mod model;
mod sealed;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use uuid::Uuid;

pub use model::{
    RejectedRequest, RejectedRequestDetail, RejectedRequestHeader, RejectedRequestPayload,
};
pub use writer::{NewlyRejected, RejectedRequestWriter};

use super::change::{Audited, AuditedChange};
use super::payload_reads::{self, Read};
use super::{AdminError, Caller, Explanation, Reason, RecordedRequest, Scope, Verifiers};
use crate::clock::SharedClock;
use crate::store::{EventId, RejectedRequestFilter, Store, StoreError};
use crate::vault::Vault;
use crate::verify::RequestHead;

/// The maximum number of rows of a page.
const MAX_PAGE: u32 = 1000;

/// Ingests a rejected request, if it verifies now.
#[async_trait]
pub trait Reprocess: Send + Sync + 'static {
    /// Verifies it as of its time of arrival, and commits it as an event.
    async fn reprocess(
        &self,
        source: &str,
        head: RequestHead,
        body: Bytes,
        received_at: OffsetDateTime,
    ) -> Result<Reprocessed, ReprocessError>;
}

/// The event that a rejected request became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reprocessed {
    pub event: EventId,
    /// Whether the event already existed.
    pub duplicate: bool,
}

/// Why a rejected request did not become an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReprocessError {
    /// Verification still rejects it.
    #[error("rejected again")]
    Refused,
    /// Its source is not enabled.
    #[error("the source is not enabled")]
    NoSource,
    /// It is authentic, but can never be recorded.
    #[error("authentic, but cannot be recorded: {0}")]
    NotRecorded(String),
    /// It is authentic, but could not be recorded now. Another attempt may succeed.
    #[error("authentic, but cannot be recorded at the moment: {0}")]
    Busy(String),
}

#[derive(Clone)]
pub struct RejectedRequests {
    store: Store,
    clock: SharedClock,
    vault: Vault,
    verifiers: Verifiers,
    reprocess: Arc<dyn Reprocess>,
}

/// The result of reprocessing a request.
#[derive(Debug, Clone)]
pub enum Reprocessing {
    /// It is now an event.
    Accepted(Reprocessed),
    /// It is rejected again.
    Rejected(Box<Explanation>),
}

impl RejectedRequests {
    /// `vault` opens the rejected requests, `verifiers` explain them, and `reprocess` ingests them.
    pub fn new(
        store: Store,
        clock: SharedClock,
        vault: Vault,
        verifiers: Verifiers,
        reprocess: Arc<dyn Reprocess>,
    ) -> Self {
        Self { store, clock, vault, verifiers, reprocess }
    }

    /// Up to `limit` rejected requests of `source` that are older than `before`, newest first.
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

    /// A rejected request, and why the current secrets reject it. The payload requires
    /// `payload:read`.
    pub async fn show(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<RejectedRequestDetail, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        let explanation = match &payload {
            Some(payload) => Some(self.explanation(caller, &request, payload).await?),
            None => None,
        };
        let payload = payload.filter(|_| caller.may(Scope::PayloadRead));
        if payload.is_some() {
            let now = self.clock.now();
            payload_reads::record(&self.store, caller, Read::Viewed, &target(id), now).await?;
        }
        let payload = payload.map(RejectedRequestPayload::from);
        Ok(RejectedRequestDetail { request, payload, explanation })
    }

    /// The body of a rejected request; `None` if it is an event.
    pub(in crate::admin) async fn body(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Option<Bytes>, AdminError> {
        Ok(self.open(caller, id).await?.1.map(|payload| payload.body))
    }

    /// Whether the current secrets accept it, and why not.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if it is already an event.
    pub async fn explain(&self, caller: &Caller, id: Uuid) -> Result<Explanation, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        let payload = payload.ok_or_else(|| is_event(&request))?;
        self.explanation(caller, &request, &payload).await
    }

    /// Verifies it again, as of its time of arrival, and accepts it if it verifies.
    ///
    /// # Errors
    /// As [`RejectedRequests::explain`]; [`AdminError::Conflict`] if it cannot be recorded now.
    pub async fn reprocess(
        &self,
        caller: &Caller,
        id: Uuid,
        reason: &Reason,
    ) -> Result<Reprocessing, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        let payload = payload.ok_or_else(|| is_event(&request))?;
        self.verifiers.of(caller, &request.source)?;
        // Before it is accepted, so that no event arrives this way without an audit entry.
        self.audit(caller, id, "reprocess rejected request", reason).await?;
        match self.accept(caller, &request, &payload).await? {
            Ok(reprocessed) => Ok(Reprocessing::Accepted(reprocessed)),
            Err(ReprocessError::Refused) => {
                self.audit(caller, id, "reprocess rejected request, rejected again", reason)
                    .await?;
                let explanation = self.explanation(caller, &request, &payload).await?;
                Ok(Reprocessing::Rejected(Box::new(explanation)))
            }
            Err(error) => Err(AdminError::Conflict(error.to_string())),
        }
    }

    /// Accepts it if it verifies, and records which event it became.
    async fn accept(
        &self,
        caller: &Caller,
        request: &RejectedRequest,
        payload: &RecordedRequest,
    ) -> Result<Result<Reprocessed, ReprocessError>, AdminError> {
        let (source, at) = (&request.source, request.received_at);
        let head = self.verifiers.of(caller, source)?.head(payload);
        let reprocessed = self.reprocess.reprocess(source, head, payload.body.clone(), at).await;
        if let Ok(reprocessed) = &reprocessed {
            let mut tx = self.store.begin().await?;
            // If another process was faster, it recorded the same event.
            tx.mark_reprocessed(request.id, reprocessed.event, caller.actor(), self.clock.now())
                .await?;
            tx.commit(()).await?;
        }
        Ok(reprocessed)
    }

    /// Deletes it before the end of its retention.
    pub async fn discard(
        &self,
        caller: &Caller,
        id: Uuid,
        reason: &Reason,
    ) -> Result<(), AdminError> {
        self.found(caller, id).await?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        if !change.tx.discard_rejected(id).await? {
            return Err(not_found(id));
        }
        let (action, target) = ("discard rejected request", target(id));
        Ok(change.commit(Audited { action, target: &target, reason, count: 1 }).await?)
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

    /// Runs on a blocking thread: the client's data determines how long it takes.
    async fn explanation(
        &self,
        caller: &Caller,
        request: &RejectedRequest,
        payload: &RecordedRequest,
    ) -> Result<Explanation, AdminError> {
        let (caller, verifiers) = (caller.clone(), self.verifiers.clone());
        let (source, payload, at) = (request.source.clone(), payload.clone(), request.received_at);
        let explanation =
            spawn_blocking(move || super::explain(&caller, &verifiers, &source, &payload, at, &[]));
        let broken = |_| AdminError::Conflict("the diagnosis failed".to_owned());
        explanation.await.map_err(broken)?
    }

    async fn audit(
        &self,
        caller: &Caller,
        id: Uuid,
        action: &str,
        reason: &Reason,
    ) -> Result<(), StoreError> {
        let change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        change.commit(Audited { action, target: &target(id), reason, count: 1 }).await
    }
}

fn target(id: Uuid) -> String {
    format!("rejected request {id}")
}

fn not_found(id: Uuid) -> AdminError {
    AdminError::NotFound(target(id))
}

fn is_event(request: &RejectedRequest) -> AdminError {
    let event = request.event.map(|event| format!(" {event}")).unwrap_or_default();
    AdminError::Conflict(format!("already reprocessed as event{event}"))
}
