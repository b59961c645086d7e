//! Lanes: deliveries of one source, handler and lane are processed one after the other.
//!
//! Whether a delivery is the head of its lane is checked when it is claimed. To avoid checking many
//! followers again and again, those that fill a queue are parked as `behind`. The transaction that
//! ends a delivery unparks the next one of its lane. Parking is only an optimization: unparked
//! deliveries are checked like any other, and one that was parked while its predecessor ended is
//! found by [`Store::unpark_heads`].

use time::OffsetDateTime;

use super::{Queue, Store, StoreError, Tx};

/// How many deliveries of a queue are parked at a time.
const BATCH: i64 = 1000;
/// How many lanes are checked for a parked head.
const LANES: i64 = 200;

/// The last lane checked for parked heads.
#[derive(Debug, Clone, Default)]
pub struct LaneCursor {
    source: String,
    handler: String,
    lane: String,
}

/// The last delivery of a queue checked for parking.
#[derive(Debug, Clone, Copy)]
pub struct QueueCursor {
    due_at: OffsetDateTime,
    id: i64,
}

impl QueueCursor {
    /// The position before everything due at `due_at` or later.
    pub fn before(due_at: OffsetDateTime) -> Self {
        Self { due_at, id: i64::MIN }
    }
}

impl Store {
    /// Parks followers in a queue after `cursor`, in the order in which they are due. Returns their
    /// number and where to continue, which is `None` at the end of the queue. The delivery behind
    /// one in flight is not parked, since it would be unparked soon.
    pub async fn park_followers(
        &self,
        queue: &Queue,
        cursor: QueueCursor,
        now: OffsetDateTime,
    ) -> Result<(u64, Option<QueueCursor>), StoreError> {
        let row = sqlx::query!(
            r#"
            WITH scanned AS MATERIALIZED (
                SELECT d.id, d.due_at, d.lane, COALESCE(d.lane_position, d.id) AS position
                  FROM deliveries d
                 WHERE d.source = $1 AND d.handler = $2 AND d.state = 'ready' AND d.parked IS NULL
                   AND (d.due_at, d.id) > ($3, $4) AND d.due_at <= $5
                 ORDER BY d.due_at, d.id LIMIT $6
            ), behind AS MATERIALIZED (
                SELECT d.id
                  FROM scanned
                 CROSS JOIN LATERAL (
                    SELECT ahead.state FROM lane_members ahead
                     WHERE ahead.lane = scanned.lane AND ahead.source = $1 AND ahead.handler = $2
                       AND (ahead.position, ahead.id) < (scanned.position, scanned.id)
                     ORDER BY ahead.position DESC, ahead.id DESC LIMIT 1) AS before
                 CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.id = scanned.id AND d.state = 'ready' AND COALESCE(d.parked, '') = ''
                       AND before.state <> 'leased'
                       FOR UPDATE SKIP LOCKED) AS d
            ), parked AS (
                UPDATE deliveries SET parked = 'behind'
                 WHERE id = ANY (ARRAY(SELECT id FROM behind))
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM parked) AS "parked!", last.due_at AS "due_at?",
                   last.id AS "id?"
              FROM (SELECT) AS one
              LEFT JOIN LATERAL (
                SELECT due_at, id FROM scanned ORDER BY due_at, id OFFSET $6 - 1) AS last ON true
            "#,
            queue.source,
            queue.handler,
            cursor.due_at,
            cursor.id,
            now,
            BATCH,
        )
        .fetch_one(&self.claim)
        .await?;
        let next = row.due_at.zip(row.id).map(|(due_at, id)| QueueCursor { due_at, id });
        Ok((row.parked.unsigned_abs(), next))
    }

    /// Unparks parked heads in the lanes after `cursor`, and advances `cursor`, which starts over at
    /// the end. Returns the number of unparked deliveries.
    pub async fn unpark_heads(
        &self,
        cursor: &mut LaneCursor,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query!(
            r#"
            WITH RECURSIVE lane AS (
                (SELECT d.source, d.handler, d.lane FROM deliveries d
                  WHERE d.state = 'ready' AND d.parked = 'behind'
                    AND (d.source, d.handler, d.lane) > ($1, $2, $3)
                  ORDER BY d.source, d.handler, d.lane LIMIT 1)
                UNION ALL
                SELECT following.source, following.handler, following.lane
                  FROM lane CROSS JOIN LATERAL (
                    SELECT d.source, d.handler, d.lane FROM deliveries d
                     WHERE d.state = 'ready' AND d.parked = 'behind'
                       AND (d.source, d.handler, d.lane) > (lane.source, lane.handler, lane.lane)
                     ORDER BY d.source, d.handler, d.lane LIMIT 1) AS following
            ), scanned AS MATERIALIZED (
                SELECT * FROM lane LIMIT $5
            ), head AS MATERIALIZED (
                SELECT first.id
                  FROM scanned CROSS JOIN LATERAL (
                    SELECT m.id, m.parked FROM lane_members m
                     WHERE m.lane = scanned.lane AND m.source = scanned.source
                       AND m.handler = scanned.handler
                     ORDER BY m.position, m.id LIMIT 1) AS first
                 WHERE first.parked = 'behind'
            ), unparked AS (
                UPDATE deliveries SET parked = NULL, due_at = GREATEST(due_at, $4)
                 WHERE id = ANY (ARRAY(SELECT id FROM head)) AND state = 'ready'
                   AND COALESCE(parked, '') = 'behind'
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM scanned) AS "scanned!",
                   (SELECT count(*) FROM unparked) AS "unparked!",
                   last.source AS "source?", last.handler AS "handler?", last.lane AS "lane?"
              FROM (SELECT) AS one
              LEFT JOIN LATERAL (
                SELECT source, handler, lane FROM scanned
                 ORDER BY source DESC, handler DESC, lane DESC LIMIT 1) AS last ON true
            "#,
            cursor.source,
            cursor.handler,
            cursor.lane,
            now,
            LANES,
        )
        .fetch_one(&self.claim)
        .await?;
        *cursor = match (row.source, row.handler, row.lane) {
            (Some(source), Some(handler), Some(lane)) if row.scanned >= LANES => {
                LaneCursor { source, handler, lane }
            }
            _ => LaneCursor::default(),
        };
        Ok(row.unparked.unsigned_abs())
    }
}

impl Tx<'_> {
    /// Unparks the heads of the lanes of these deliveries, which have changed.
    pub(super) async fn unpark_next(
        &mut self,
        deliveries: &[i64],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "
            WITH head AS MATERIALIZED (
                SELECT DISTINCT first.id
                  FROM deliveries changed CROSS JOIN LATERAL (
                    SELECT m.id FROM lane_members m
                     WHERE m.lane = changed.lane AND m.source = changed.source
                       AND m.handler = changed.handler
                     ORDER BY m.position, m.id LIMIT 1) AS first
                 WHERE changed.id = ANY($1) AND changed.lane IS NOT NULL
            )
            UPDATE deliveries SET parked = NULL, due_at = GREATEST(due_at, $2)
             WHERE id = ANY (ARRAY(SELECT id FROM head)) AND state = 'ready'
               AND COALESCE(parked, '') = 'behind'
            ",
            deliveries,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
