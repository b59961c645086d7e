//! Dead letters: finding, listing, replaying, discarding. Only users do that, and a dead letter is
//! never edited: a replay is a new delivery, and the dead one is marked as resolved.

mod find;
mod resolve;

pub use find::{DeadLetterFilter, Order, Page};
pub use resolve::LockedDelivery;

use super::words::{optional_word, word};
use super::{Delivery, EventId, Store, StoreError};
use crate::verify::Lane;

/// Deliveries blocked by a dead letter are counted up to this number.
pub const MANY_WAITING: i64 = 1000;

impl Store {
    /// These deliveries in any state, lowest id first, without those of other tenants.
    pub async fn deliveries(
        &self,
        ids: &[i64],
        tenant: Option<&str>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT d.id, d.event_id, d.source, d.handler, e.event_type AS "event_type?", d.state,
                   d.triggered_by, d.replay_of, d.attempts, d.death_reason,
                   left(split_part(d.last_error, E'\n', 1), 300) AS error,
                   d.created_at, CASE WHEN d.state = 'ready' THEN d.due_at END AS due_at,
                   d.finished_at, d.resolution, d.resolved_at, d.lane, d.group_id,
                   g.class AS "class?",
                   CASE WHEN d.state = 'dead' AND d.lane_blocks AND d.resolution IS NULL THEN
                       (SELECT count(*) FROM (
                            SELECT 1 FROM deliveries f
                             WHERE f.source = d.source AND f.handler = d.handler AND f.lane = d.lane
                               AND f.state IN ('ready', 'leased')
                               AND COALESCE(f.lane_position, f.id)
                                   > COALESCE(d.lane_position, d.id)
                             LIMIT $3) AS followers)
                   ELSE 0 END AS "waiting!"
              FROM deliveries d
              LEFT JOIN events e ON e.id = d.event_id
              LEFT JOIN dead_letter_groups g ON g.id = d.group_id
             WHERE d.id = ANY($1) AND ($2::text IS NULL OR e.tenant = $2)
             ORDER BY d.id
            "#,
            ids,
            tenant,
            MANY_WAITING + 1,
        )
        .fetch_all(&self.admin)
        .await?;
        let deliveries = rows.into_iter().map(|row| {
            let table = "deliveries";
            Ok(Delivery {
                id: row.id,
                event: EventId(row.event_id),
                source: row.source,
                handler: row.handler,
                event_type: row.event_type,
                state: word(&row.state, table, "state", row.id)?,
                triggered_by: word(&row.triggered_by, table, "triggered_by", row.id)?,
                replay_of: row.replay_of,
                attempts: row.attempts,
                death_reason: optional_word(
                    row.death_reason.as_deref(),
                    table,
                    "death_reason",
                    row.id,
                )?,
                error: row.error,
                created_at: row.created_at,
                due_at: row.due_at,
                finished_at: row.finished_at,
                resolution: optional_word(row.resolution.as_deref(), table, "resolution", row.id)?,
                resolved_at: row.resolved_at,
                lane: row.lane.map(|lane| Lane::shown(&lane)),
                waiting: row.waiting,
                group: row.group_id,
                class: optional_word(row.class.as_deref(), "dead_letter_groups", "class", row.id)?,
            })
        });
        deliveries.collect()
    }
}
