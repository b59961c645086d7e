//! Many rejected requests at once, for jobs.

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::{RejectedRequests, ReprocessError, not_found};
use crate::admin::explain::SourceVerifier;
use crate::admin::{AdminError, Caller, RecordedRequest, RejectedAction};
use crate::store::{AuditEntry, AuditMore, JobRow, RejectedRequestSelection, StoreError, Tx};
use crate::verify::{RawRequest, Refusal, RequestHead};

/// How many are tried for a plan.
const TRIED: i64 = 10_000;

/// What came of some rejected requests, by their numbers.
#[derive(Debug, Default)]
pub(in crate::admin) struct RejectedBatch {
    /// They are events, or are removed.
    pub(in crate::admin) resolved: Vec<i64>,
    /// Those of them that are events which were not there before.
    pub(in crate::admin) created: Vec<i64>,
    /// They stay as they are, and why.
    pub(in crate::admin) refused: Vec<(i64, String)>,
    /// The last one that was looked at.
    pub(in crate::admin) last: Option<i64>,
    /// Why the one behind it, which is authentic, has to be tried again.
    pub(in crate::admin) busy: Option<String>,
}

impl RejectedRequests {
    /// How many of those up to this number would be accepted now. Where there are very many, of the
    /// oldest.
    pub(in crate::admin) async fn verifiable(
        &self,
        caller: &Caller,
        selection: &RejectedRequestSelection,
        up_to: i64,
    ) -> Result<i64, AdminError> {
        let mut verifiable = 0;
        for (_, id) in self.store.find_rejected(selection, (i64::MIN, up_to), TRIED).await? {
            let (request, payload) = match self.open(caller, id).await {
                Ok(opened) => opened,
                // Discarded in the meantime, or sealed with a key that is not here.
                Err(AdminError::NotFound(_) | AdminError::Vault(_)) => continue,
                Err(error) => return Err(error),
            };
            let (Some(payload), Ok(gate)) = (payload, self.gates.of(caller, &request.source))
            else {
                continue;
            };
            let (gate, at) = (gate.clone(), request.received_at.unix_timestamp());
            let tried = spawn_blocking(move || refusal(&gate, &payload, at).is_none());
            verifiable += i64::from(tried.await.unwrap_or_default());
        }
        Ok(verifiable)
    }

    /// Records what a batch of a job is about to do.
    pub(in crate::admin) async fn note_batch(
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
                RejectedAction::Verify => "reprocess rejected request",
                RejectedAction::Discard => "discard rejected request",
            },
            target: &format!("job {}: {}", job.id, job.target),
            reason: &job.reason,
            count: count as u64,
        };
        tx.audit_with(&entry, AuditMore { tenant: caller.tenant(), ..AuditMore::default() }).await
    }

    /// Removes them.
    pub(in crate::admin) async fn discard_batch(
        &self,
        tx: &mut Tx<'_>,
        requests: &[(i64, Uuid)],
    ) -> Result<RejectedBatch, StoreError> {
        let mut batch = RejectedBatch::default();
        for (number, id) in requests {
            // One that was verified in the meantime is an event, and stays.
            if tx.discard_open_rejected(*id).await? {
                batch.resolved.push(*number);
            }
            batch.last = Some(*number);
        }
        Ok(batch)
    }

    /// Reprocesses them, one after the other, and accepts what verifies. It ends before the first
    /// that holds and cannot be recorded now.
    pub(in crate::admin) async fn verify_batch(
        &self,
        caller: &Caller,
        requests: &[(i64, Uuid)],
    ) -> Result<RejectedBatch, StoreError> {
        let mut batch = RejectedBatch::default();
        for (number, id) in requests {
            match self.verify_one(caller, *id).await {
                Ok(Ok(reprocessed)) => {
                    batch.resolved.push(*number);
                    if !reprocessed.duplicate {
                        batch.created.push(*number);
                    }
                }
                Ok(Err(Left::Refused(why))) => batch.refused.push((*number, why)),
                Ok(Err(Left::Busy(why))) => {
                    batch.busy = Some(why);
                    break;
                }
                // Another one was quicker.
                Err(AdminError::NotFound(_)) => {}
                Err(AdminError::Store(error)) if batch.last.is_none() => return Err(error),
                // What was done until here counts.
                Err(error @ AdminError::Store(_)) => {
                    batch.busy = Some(error.to_string());
                    break;
                }
                Err(error) => batch.refused.push((*number, error.to_string())),
            }
            batch.last = Some(*number);
        }
        Ok(batch)
    }

    async fn verify_one(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Result<super::Reprocessed, Left>, AdminError> {
        let (request, payload) = self.open(caller, id).await?;
        // An event by now: as if it were gone.
        let payload = payload.ok_or_else(|| not_found(id))?;
        let gate = match self.gates.of(caller, &request.source) {
            Ok(gate) => gate.clone(),
            Err(_) => return Ok(Err(Left::Refused(ReprocessError::NoSource.to_string()))),
        };
        match self.let_in(caller, &request, &payload).await? {
            Ok(reprocessed) => Ok(Ok(reprocessed)),
            Err(ReprocessError::Refused) => {
                let at = request.received_at.unix_timestamp();
                let word = refusal(&gate, &payload, at).unwrap_or("refused");
                Ok(Err(Left::Refused(format!("rejected again: {word}"))))
            }
            Err(error @ ReprocessError::Busy(_)) => Ok(Err(Left::Busy(error.to_string()))),
            Err(error) => Ok(Err(Left::Refused(error.to_string()))),
        }
    }
}

/// Why a rejected request stays one.
enum Left {
    /// It is rejected.
    Refused(String),
    /// It has to be tried again.
    Busy(String),
}

/// The closed word under which it is refused as of its time of arrival; `None` where it holds. What
/// holds and came late is for its registry to decide, when it is accepted.
fn refusal(gate: &SourceVerifier, payload: &RecordedRequest, at: i64) -> Option<&'static str> {
    let head: RequestHead = gate.head(payload);
    match RawRequest::new(head, payload.body.clone()).verify(&gate.gate, at) {
        Ok(_) | Err(Refusal::Late(_)) => None,
        Err(refusal) => Some(refusal.reason()),
    }
}
