//! Dead letters: listed, replayed, discarded. Only ever by an operator, and never edited: a replay
//! is a new delivery, and the dead one is marked as resolved.

use time::OffsetDateTime;

use super::{EventId, Store, StoreError, Tx};

/// Which dead letters. Every part that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// These deliveries, whatever their state: who names a row wants to see that row.
    pub ids: Option<Vec<i64>>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this handler.
    pub handler: Option<String>,
    /// Dead for this reason: a word of the closed list.
    pub death_reason: Option<String>,
    /// Dead since this time or longer.
    pub died_before: Option<OffsetDateTime>,
    /// Dead since this time or shorter.
    pub died_after: Option<OffsetDateTime>,
    /// Those that were replayed or discarded too.
    pub resolved: bool,
}

/// One page of a list that is sorted by id.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Only ids above this one.
    pub after: i64,
    /// Only ids up to this one.
    pub up_to: i64,
    /// The most rows.
    pub limit: i64,
}

/// A delivery, with what an operator wants to know of it at a glance.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The delivery's id.
    pub id: i64,
    /// Its event.
    pub event: EventId,
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
    /// Its lane.
    pub lane: Option<String>,
    /// How many deliveries in its lane wait for it to be resolved.
    pub waiting: i64,
}

/// A delivery whose row is locked, so that it can be decided what becomes of it.
#[derive(Debug, Clone)]
pub struct Locked {
    /// The delivery's id.
    pub id: i64,
    /// The event's source.
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    /// The state's stored word.
    pub state: String,
    /// `replayed` or `discarded`; `None` while it is open.
    pub resolution: Option<String>,
    /// The event type; `None` when the event is not there any more.
    pub kind: Option<String>,
}

impl Store {
    /// Lists deliveries, oldest id first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT d.id, d.event_id, d.source, d.handler, e.kind AS "kind?", d.state, d.replay_of,
                   d.attempts, d.death_reason,
                   left(split_part(d.last_error, E'\n', 1), 300) AS error,
                   d.created_at, d.finished_at, d.resolution, d.resolved_at, d.lane,
                   CASE WHEN d.state = 'dead' AND d.lane_blocks AND d.resolution IS NULL THEN
                       (SELECT count(*) FROM deliveries f
                         WHERE f.source = d.source AND f.handler = d.handler AND f.lane = d.lane
                           AND f.state IN ('ready', 'leased')
                           AND COALESCE(f.lane_position, f.id) > COALESCE(d.lane_position, d.id))
                   ELSE 0 END AS "waiting!"
              FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
             WHERE (d.state = 'dead' OR $1::bigint[] IS NOT NULL)
               AND ($1::bigint[] IS NULL OR d.id = ANY($1))
               AND ($2::text IS NULL OR d.source = $2)
               AND ($3::text IS NULL OR d.handler = $3)
               AND ($4::text IS NULL OR d.death_reason = $4)
               AND ($5::timestamptz IS NULL OR d.finished_at <= $5)
               AND ($6::timestamptz IS NULL OR d.finished_at >= $6)
               AND ($7 OR $1::bigint[] IS NOT NULL OR d.resolution IS NULL)
               AND d.id > $8 AND d.id <= $9
             ORDER BY d.id LIMIT $10
            "#,
            filter.ids.as_deref(),
            filter.source,
            filter.handler,
            filter.death_reason,
            filter.died_before,
            filter.died_after,
            filter.resolved,
            page.after,
            page.up_to,
            page.limit,
        )
        .fetch_all(&self.operator)
        .await?;
        let letters = rows.into_iter().map(|row| DeadLetter {
            id: row.id,
            event: EventId(row.event_id),
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
            lane: row.lane,
            waiting: row.waiting,
        });
        Ok(letters.collect())
    }

    /// How many deliveries match, and the highest id among them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count_dead_letters(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<(i64, i64), StoreError> {
        let row = sqlx::query!(
            r#"
            SELECT count(*) AS "count!", COALESCE(max(d.id), 0) AS "highest!"
              FROM deliveries d
             WHERE (d.state = 'dead' OR $1::bigint[] IS NOT NULL)
               AND ($1::bigint[] IS NULL OR d.id = ANY($1))
               AND ($2::text IS NULL OR d.source = $2)
               AND ($3::text IS NULL OR d.handler = $3)
               AND ($4::text IS NULL OR d.death_reason = $4)
               AND ($5::timestamptz IS NULL OR d.finished_at <= $5)
               AND ($6::timestamptz IS NULL OR d.finished_at >= $6)
               AND ($7 OR $1::bigint[] IS NOT NULL OR d.resolution IS NULL)
            "#,
            filter.ids.as_deref(),
            filter.source,
            filter.handler,
            filter.death_reason,
            filter.died_before,
            filter.died_after,
            filter.resolved,
        )
        .fetch_one(&self.operator)
        .await?;
        Ok((row.count, row.highest))
    }
}

/// How an operator resolved a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// A new delivery was made of it.
    Replayed,
    /// It is left as it is.
    Discarded,
}

impl Resolution {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }
}

impl Tx<'_> {
    /// Locks deliveries, in the order of their ids. What comes back is as it stands now: another
    /// operator may have been quicker.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lock_deliveries(&mut self, ids: &[i64]) -> Result<Vec<Locked>, StoreError> {
        let rows = sqlx::query_as!(
            Locked,
            r#"SELECT d.id, d.source, d.handler, d.state, d.resolution, e.kind AS "kind?"
                 FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
                WHERE d.id = ANY($1)
                ORDER BY d.id
                  FOR UPDATE OF d"#,
            ids,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows)
    }

    /// Inserts a new delivery, due now, for each pair of a delivery and a handler; gives the new ids.
    /// The replay of what holds its lane takes its place in the lane: what waits behind it must not
    /// overtake. Any other replay goes to the end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn insert_replays(
        &mut self,
        pairs: &[(i64, String)],
        now: OffsetDateTime,
    ) -> Result<Vec<i64>, StoreError> {
        let (originals, handlers): (Vec<i64>, Vec<&str>) =
            pairs.iter().map(|(id, handler)| (*id, handler.as_str())).unzip();
        let ids = sqlx::query_scalar!(
            r#"
            INSERT INTO deliveries (event_id, source, handler, triggered_by, replay_of, lane,
                                    lane_position, lane_blocks, state, created_at, due_at)
            SELECT d.event_id, d.source, p.handler, 'replay', d.id, d.lane,
                   CASE WHEN d.lane IS NOT NULL AND d.lane_blocks AND d.state = 'dead'
                             AND d.resolution IS NULL
                        THEN COALESCE(d.lane_position, d.id) END,
                   d.lane_blocks, 'ready', $3, $3
              FROM UNNEST($1::bigint[], $2::text[]) WITH ORDINALITY AS p (original, handler, place)
              JOIN deliveries d ON d.id = p.original
             ORDER BY p.place
            RETURNING id
            "#,
            &originals,
            &handlers as &[&str],
            now,
        )
        .fetch_all(self.connection())
        .await?;
        self.tally_replays(&ids, now).await?;
        Ok(ids)
    }

    /// Marks dead deliveries as resolved. Those that are done stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn resolve(
        &mut self,
        ids: &[i64],
        resolution: Resolution,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE deliveries SET resolution = $2, resolved_at = $3
              WHERE id = ANY($1) AND state = 'dead'",
            ids,
            resolution.as_str(),
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }
}
