//! Dead letters: found, listed, replayed, discarded. Only ever by an operator, and never edited: a
//! replay is a new delivery, and the dead one is marked as resolved.

mod find;
mod resolve;

use time::OffsetDateTime;

pub use find::{DeadLetterFilter, Order, Page};
pub use resolve::{LockedDelivery, Resolution};

use super::{EventId, Store, StoreError};
use crate::verify::Lane;

/// As many followers of a blocking head are counted; where there are more, one more is said.
pub const MANY_WAITING: i64 = 1000;

/// A delivery, with what an operator wants to know of it at a glance.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The delivery's id.
    pub id: i64,
    /// Its event.
    pub event: EventId,
    /// To whom that belongs; `None` when it is not there any more.
    pub tenant: Option<String>,
    /// The event's source.
    pub source: String,
    /// The handler's stored name; [`GATE`](super::GATE) for what no handler has seen.
    pub handler: String,
    /// The event type; `None` when the event is not there any more.
    pub kind: Option<String>,
    /// The state's stored word.
    pub state: String,
    /// The delivery that this one replays.
    pub replay_of: Option<i64>,
    /// Attempts begun.
    pub attempts: i32,
    /// Why it is dead: a word of the closed list. `None` for what is not dead.
    pub death_reason: Option<String>,
    /// The first line of its last error, at most 300 characters.
    pub error: Option<String>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it became done or dead.
    pub finished_at: Option<OffsetDateTime>,
    /// `replayed` or `discarded`; `None` while it is open.
    pub resolution: Option<String>,
    /// When it was resolved.
    pub resolved_at: Option<OffsetDateTime>,
    /// Its lane, as it is shown to users.
    pub lane: Option<String>,
    /// How many deliveries in its lane wait for it to be resolved; above [`MANY_WAITING`] it says
    /// only that there are more.
    pub waiting: i64,
    /// Its group, once it is grouped.
    pub group: Option<i64>,
    /// What kind of failure it is, once it is grouped: a word of the closed list.
    pub class: Option<String>,
}

impl Store {
    /// These deliveries, whatever their state, lowest id first; of another tenant's, none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn dead_letters(
        &self,
        ids: &[i64],
        tenant: Option<&str>,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT d.id, d.event_id, e.tenant AS "tenant?", d.source, d.handler, e.kind AS "kind?",
                   d.state, d.replay_of, d.attempts, d.death_reason,
                   left(split_part(d.last_error, E'\n', 1), 300) AS error,
                   d.created_at, d.finished_at, d.resolution, d.resolved_at, d.lane, d.group_id,
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
        .fetch_all(&self.operator)
        .await?;
        let letters = rows.into_iter().map(|row| DeadLetter {
            id: row.id,
            event: EventId(row.event_id),
            tenant: row.tenant,
            source: row.source,
            handler: row.handler,
            kind: row.kind,
            state: row.state,
            replay_of: row.replay_of,
            attempts: row.attempts,
            death_reason: row.death_reason,
            error: row.error,
            created_at: row.created_at,
            finished_at: row.finished_at,
            resolution: row.resolution,
            resolved_at: row.resolved_at,
            lane: row.lane.map(|lane| Lane::shown(&lane)),
            waiting: row.waiting,
            group: row.group_id,
            class: row.class,
        });
        Ok(letters.collect())
    }
}
