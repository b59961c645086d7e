//! Resolves dead letters.

use time::OffsetDateTime;

use crate::store::words::{optional_word, word};
use crate::store::{DeliveryState, Erasure, EventId, Resolution, StoreError, Tx};

/// A delivery whose row is locked.
#[derive(Debug, Clone)]
pub struct LockedDelivery {
    pub id: i64,
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
    pub state: DeliveryState,
    /// How it was resolved; `None` while it is open.
    pub resolution: Option<Resolution>,
    /// `None` if the event was deleted.
    pub event_type: Option<String>,
    /// Set if the event was erased.
    pub erased: Option<Erasure>,
}

impl Tx<'_> {
    /// Locks deliveries by id, without those of other tenants, and returns their current state:
    /// another user may have been quicker.
    pub async fn lock_deliveries(
        &mut self,
        ids: &[i64],
        tenant: Option<&str>,
    ) -> Result<Vec<LockedDelivery>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT d.id, d.source, d.handler, d.state, d.resolution,
                      e.event_type AS "event_type?", e.erased_at AS "erased_at?",
                      e.erased_by AS "erased_by?", e.erased_reason AS "erased_reason?",
                      e.body_digest AS "body_digest?"
                 FROM deliveries d LEFT JOIN events e ON e.id = d.event_id
                WHERE d.id = ANY($1) AND ($2::text IS NULL OR e.tenant = $2)
                ORDER BY d.id
                  FOR UPDATE OF d"#,
            ids,
            tenant,
        )
        .fetch_all(self.connection())
        .await?;
        let locked = rows.into_iter().map(|row| {
            let table = "deliveries";
            Ok(LockedDelivery {
                id: row.id,
                source: row.source,
                handler: row.handler,
                state: word(&row.state, table, "state", row.id)?,
                resolution: optional_word(row.resolution.as_deref(), table, "resolution", row.id)?,
                event_type: row.event_type,
                erased: Erasure::of(
                    row.erased_at,
                    row.erased_by,
                    row.erased_reason,
                    row.body_digest.as_deref(),
                ),
            })
        });
        locked.collect()
    }

    /// Inserts a new delivery, due now, for each pair of a delivery and a handler, and returns the
    /// new ids, without those of an erased event. The replay of a blocking dead letter takes its
    /// position in the lane, so that no follower overtakes it. Any other replay goes to the end.
    /// With `edited`, that event is delivered instead.
    pub async fn insert_replays(
        &mut self,
        pairs: &[(i64, String)],
        edited: Option<EventId>,
        now: OffsetDateTime,
    ) -> Result<Vec<i64>, StoreError> {
        let (originals, handlers): (Vec<i64>, Vec<&str>) =
            pairs.iter().map(|(id, handler)| (*id, handler.as_str())).unzip();
        let ids = sqlx::query_scalar!(
            r#"
            INSERT INTO deliveries (event_id, source, handler, destination, triggered_by, replay_of,
                                    lane, lane_position, lane_blocks, state, created_at, due_at)
            SELECT COALESCE($4, d.event_id), d.source, p.handler, destination_of(p.handler),
                   CASE WHEN $4::uuid IS NULL THEN 'replay' ELSE 'edit' END, d.id, d.lane,
                   CASE WHEN d.lane IS NOT NULL AND d.lane_blocks AND d.state = 'dead'
                             AND d.resolution IS NULL
                        THEN COALESCE(d.lane_position, d.id) END,
                   d.lane_blocks, 'ready', $3, $3
              FROM UNNEST($1::bigint[], $2::text[]) WITH ORDINALITY AS p (original, handler, place)
              JOIN deliveries d ON d.id = p.original
              JOIN events e ON e.id = COALESCE($4, d.event_id) AND e.erased_at IS NULL
             ORDER BY p.place
            RETURNING id
            "#,
            &originals,
            &handlers as &[&str],
            now,
            edited.map(|edited| edited.0),
        )
        .fetch_all(self.connection())
        .await?;
        self.count_replays(&ids, now).await?;
        Ok(ids)
    }

    /// Unblocks the lane of a dead letter; false if it does not block it.
    pub async fn unblock_lane(
        &mut self,
        delivery: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE deliveries SET lane_blocks = false
              WHERE id = $1 AND state = 'dead' AND resolution IS NULL AND lane_blocks
                AND lane IS NOT NULL",
            delivery,
        )
        .execute(self.connection())
        .await?;
        self.unpark_next(&[delivery], now).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Marks dead letters as resolved, and updates the open counts of their groups. Other
    /// deliveries are skipped. Their rows must be locked: [`Tx::lock_deliveries`].
    pub async fn resolve(
        &mut self,
        ids: &[i64],
        resolution: Resolution,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        // The groups are locked in the order in which they are updated.
        let done = sqlx::query_scalar!(
            r#"
            WITH before AS MATERIALIZED (
                SELECT id, group_id, resolution IS NULL AS was_open FROM deliveries
                 WHERE id = ANY($1) AND state = 'dead'
            ), resolved AS (
                UPDATE deliveries SET resolution = $2, resolved_at = $3
                 WHERE id IN (SELECT id FROM before)
                RETURNING 1
            ), fewer AS MATERIALIZED (
                SELECT group_id, count(*) AS by FROM before
                 WHERE was_open AND group_id IS NOT NULL GROUP BY group_id
            ), locked AS MATERIALIZED (
                SELECT g.id FROM dead_letter_groups g
                 WHERE g.id IN (SELECT group_id FROM fewer)
                 ORDER BY g.fingerprint FOR UPDATE
            ), counted AS (
                UPDATE dead_letter_groups g SET open = g.open - fewer.by
                  FROM fewer JOIN locked ON locked.id = fewer.group_id
                 WHERE g.id = fewer.group_id
            )
            SELECT count(*) AS "done!" FROM resolved
            "#,
            ids,
            resolution.as_str(),
            now,
        )
        .fetch_one(self.connection())
        .await?;
        self.unpark_next(ids, now).await?;
        Ok(done.unsigned_abs())
    }
}
