//! Operator actions, for the stream and for timelines.

use time::OffsetDateTime;

use crate::store::{StoreError, Tx, bounded};

/// An operator's action on deliveries.
#[derive(Debug, Clone, Copy)]
pub struct OperatorAction<'a> {
    pub at: OffsetDateTime,
    pub actor: &'a str,
    /// `replay`, `resend`, `retry`, `discard`, `unblock` or `dead_letter`.
    pub action: &'a str,
    pub reason: &'a str,
    /// `None` for a single action.
    pub job: Option<i64>,
}

impl Tx<'_> {
    /// Records an action: for replays and resends by their new deliveries, for everything else by
    /// the deliveries it was done to.
    pub async fn record_action(
        &mut self,
        action: OperatorAction<'_>,
        old: &[i64],
        replays: &[i64],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO operator_actions
                 (at, actor, action, delivery_id, replay_id, job_id, reason)
             SELECT $1::timestamptz, $2::text, $3::text, d.id, d.replay_id, $6::bigint, $7::text
               FROM (SELECT id, NULL::bigint FROM UNNEST($4::bigint[]) AS u (id)
                      UNION ALL
                     SELECT COALESCE(replay_of, id), id FROM deliveries
                      WHERE id = ANY($5)) AS d (id, replay_id)
              ORDER BY d.id, d.replay_id",
            action.at,
            bounded(action.actor),
            action.action,
            old,
            replays,
            action.job,
            bounded(action.reason),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
