//! Bulk actions on rejected requests, for jobs.

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{RejectedRequests, ReprocessError, not_found};
use crate::admin::explain::SourceVerifier;
use crate::admin::{AdminError, Caller, RecordedRequest, RejectedAction};
use crate::store::{AuditEntry, AuditMore, JobRow, RejectedRequestSelection, StoreError, Tx};
use crate::verify::{RawRequest, Refusal, RefusalReason, RequestHead};

/// The maximum number of requests verified for a plan.
const MAX_VERIFIED: i64 = 10_000;

/// The result of a batch of rejected requests, by their numbers.
#[derive(Debug, Default)]
pub(in crate::admin) struct RejectedBatch {
    /// Those that became events, or were deleted.
    pub(in crate::admin) resolved: Vec<i64>,
    /// Those that became new events.
    pub(in crate::admin) created: Vec<i64>,
    /// Those that were skipped, and why.
    pub(in crate::admin) skipped: Vec<(i64, String)>,
    /// The last one that was processed.
    pub(in crate::admin) last: Option<i64>,
    /// Why the one after it, which is authentic, has to be tried again.
    pub(in crate::admin) busy: Option<String>,
}

impl RejectedRequests {
    /// The number of requests up to this id that would be accepted now, among the oldest
    /// [`MAX_VERIFIED`].
    pub(in crate::admin) async fn verifiable(
        &self,
        caller: &Caller,
        selection: &RejectedRequestSelection,
        up_to: i64,
    ) -> Result<i64, AdminError> {
        let mut verifiable = 0;
        for (_, id) in self.store.find_rejected(selection, (i64::MIN, up_to), MAX_VERIFIED).await? {
            let (request, payload) = match self.open(caller, id).await {
                Ok(opened) => opened,
                // Discarded in the meantime, or sealed with a key that is not available.
                Err(AdminError::NotFound(_) | AdminError::Vault(_)) => continue,
                Err(error) => return Err(error),
            };
            let verifier = self.verifiers.of(caller, &request.source);
            let (Some(payload), Ok(verifier)) = (payload, verifier) else { continue };
            let (verifier, at) = (verifier.clone(), request.received_at.unix_timestamp());
            let tried = spawn_blocking(move || refusal(&verifier, &payload, at).is_none());
            verifiable += i64::from(tried.await.unwrap_or_default());
        }
        Ok(verifiable)
    }

    /// Writes the audit entry of a batch.
    pub(in crate::admin) async fn audit_batch(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        action: RejectedAction,
        job: &JobRow,
        count: usize,
    ) -> Result<(), StoreError> {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: caller.actor(),
            action: match action {
                RejectedAction::Reprocess => "reprocess rejected request",
                RejectedAction::Discard => "discard rejected request",
            },
            target: &format!("job {}: {}", job.id, job.target),
            reason: &job.reason,
            count: count as u64,
        };
        tx.audit_with(&entry, AuditMore { tenant: caller.tenant(), ..AuditMore::default() }).await
    }

    /// Deletes rejected requests.
    pub(in crate::admin) async fn discard_batch(
        &self,
        tx: &mut Tx<'_>,
        requests: &[(i64, Uuid)],
    ) -> Result<RejectedBatch, StoreError> {
        let mut batch = RejectedBatch::default();
        for (number, id) in requests {
            // One that was reprocessed in the meantime is an event, and stays.
            if tx.discard_open_rejected(*id).await? {
                batch.resolved.push(*number);
            }
            batch.last = Some(*number);
        }
        Ok(batch)
    }

    /// Reprocesses them one after another, and accepts those that verify. Stops before the first
    /// one that verifies but cannot be recorded now.
    pub(in crate::admin) async fn reprocess_batch(
        &self,
        caller: &Caller,
        requests: &[(i64, Uuid)],
    ) -> Result<RejectedBatch, StoreError> {
        let mut batch = RejectedBatch::default();
        for (number, id) in requests {
            match self.reprocess_one(caller, *id).await {
                Ok(Ok(reprocessed)) => {
                    batch.resolved.push(*number);
                    if !reprocessed.duplicate {
                        batch.created.push(*number);
                    }
                }
                Ok(Err(NotAccepted::Skipped(why))) => batch.skipped.push((*number, why)),
                Ok(Err(NotAccepted::Busy(why))) => {
                    batch.busy = Some(why);
                    break;
                }
                // Another process was faster.
                Err(AdminError::NotFound(_)) => {}
                Err(AdminError::Store(error)) if batch.last.is_none() => return Err(error),
                // The requests before it are done.
                Err(error @ AdminError::Store(_)) => {
                    batch.busy = Some(error.to_string());
                    break;
                }
                Err(error) => batch.skipped.push((*number, error.to_string())),
            }
            batch.last = Some(*number);
        }
        Ok(batch)
    }

    async fn reprocess_one(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Result<super::Reprocessed, NotAccepted>, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        // It is already an event: skipped like one that was deleted.
        let payload = payload.ok_or_else(|| not_found(id))?;
        let verifier = match self.verifiers.of(caller, &request.source) {
            Ok(verifier) => verifier.clone(),
            Err(_) => return Ok(Err(NotAccepted::Skipped(ReprocessError::NoSource.to_string()))),
        };
        match self.accept(caller, &request, &payload).await? {
            Ok(reprocessed) => Ok(Ok(reprocessed)),
            Err(ReprocessError::Refused) => {
                let at = request.received_at.unix_timestamp();
                let reason = refusal(&verifier, &payload, at);
                let word = reason.map_or("refused", RefusalReason::as_str);
                Ok(Err(NotAccepted::Skipped(format!("rejected again: {word}"))))
            }
            Err(error @ ReprocessError::Busy(_)) => Ok(Err(NotAccepted::Busy(error.to_string()))),
            Err(error) => Ok(Err(NotAccepted::Skipped(error.to_string()))),
        }
    }
}

/// Why a rejected request was not accepted.
enum NotAccepted {
    /// It is rejected again, or can never be recorded.
    Skipped(String),
    /// Temporary: it has to be tried again.
    Busy(String),
}

/// Why it is rejected as of its time of arrival; `None` if it verifies. An expired token is not a
/// rejection here: whether it is still accepted is decided when it is ingested.
fn refusal(source: &SourceVerifier, payload: &RecordedRequest, at: i64) -> Option<RefusalReason> {
    let head: RequestHead = source.head(payload);
    match RawRequest::new(head, payload.body.clone()).verify(&source.verifier, at) {
        Ok(_) | Err(Refusal::Late(_)) => None,
        Err(refusal) => Some(refusal.kind()),
    }
}
