//! Retrying one delivery now, instead of at the end of its backoff.

use super::change::{Audited, AuditedChange};
use super::{AdminError, Caller, DeadLetters, Reason, Refused, Scope};
use crate::store::{DeliveryState, OperatorAction};

impl DeadLetters {
    /// Makes a waiting delivery due; false if it already is, or waits behind another of its lane.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if it does not wait for the time of its next attempt.
    pub async fn retry_now(
        &self,
        caller: &Caller,
        delivery: i64,
        reason: &Reason,
    ) -> Result<bool, AdminError> {
        caller.needs(Scope::EventsReplay)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let (tx, at) = (&mut change.tx, change.at);
        let locked = tx.lock_deliveries(&[delivery], caller.tenant()).await?.pop();
        let locked = locked.ok_or_else(|| AdminError::NotFound(format!("delivery {delivery}")))?;
        let refused = match (locked.state, locked.resolution) {
            (DeliveryState::Ready, _) => None,
            (DeliveryState::Done, _) => Some(Refused::Done.to_string()),
            (DeliveryState::Dead, Some(resolution)) => {
                Some(Refused::Resolved(resolution).to_string())
            }
            (DeliveryState::Dead, None) => Some("a dead letter: replay it instead".to_owned()),
            (DeliveryState::Leased, _) => Some("being attempted now".to_owned()),
        };
        if let Some(why) = refused {
            return Err(AdminError::Conflict(format!("delivery {delivery} is {why}")));
        }
        let due = tx.make_due(&[delivery], at).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let actor = caller.actor();
        let action = OperatorAction { at, actor, action: "retry", reason, job: None };
        tx.record_action(action, &due, &[]).await?;
        let target = format!("delivery {delivery}");
        change.commit(Audited { action: "retry", target: &target, reason, count: 1 }).await?;
        Ok(true)
    }
}
