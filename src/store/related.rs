//! Adjacent events, other events of the same lanes, and slices of bodies.

use uuid::Uuid;

use super::{EventId, Store, StoreError};
use crate::verify::{Lane, may_hold_credentials};

/// The number of deliveries before and after that are searched for those of a lane.
pub const LANE_REACH: i64 = 5_000;

/// The related events of an event.
#[derive(Debug, Clone, Default)]
pub struct RelatedEvents {
    /// The lanes of the event's deliveries.
    pub lanes: Vec<String>,
    /// Other events of the same source in them, newest first.
    pub events: Vec<EventId>,
}

/// A slice of a body.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The size of the whole body, in bytes.
    pub size: u64,
    /// As received.
    pub bytes: Vec<u8>,
    /// Whether they may be shown unredacted: see
    /// [`StoredEvent::shown_body`](super::StoredEvent::shown_body).
    pub is_as_received: bool,
}

impl Store {
    /// The event before and the one after, among the thousand on either side, limited to `tenant`
    /// if given.
    pub async fn adjacent(
        &self,
        event: EventId,
        tenant: Option<&str>,
    ) -> Result<(Option<EventId>, Option<EventId>), StoreError> {
        let row = sqlx::query!(
            r#"SELECT (SELECT id FROM (SELECT id, tenant FROM events WHERE id < $1
                                        ORDER BY id DESC LIMIT 1000) AS w
                        WHERE $2::text IS NULL OR tenant = $2 ORDER BY id DESC LIMIT 1) AS older,
                      (SELECT id FROM (SELECT id, tenant FROM events WHERE id > $1
                                        ORDER BY id LIMIT 1000) AS w
                        WHERE $2::text IS NULL OR tenant = $2 ORDER BY id LIMIT 1) AS newer"#,
            event.0,
            tenant,
        )
        .fetch_one(&self.admin)
        .await?;
        Ok((row.older.map(EventId), row.newer.map(EventId)))
    }

    /// Up to `limit` other events in the lanes of this one: unfinished ones, and those among the
    /// [`LANE_REACH`] deliveries before and after.
    pub async fn related_events(
        &self,
        event: EventId,
        limit: i64,
    ) -> Result<RelatedEvents, StoreError> {
        let own_lanes = sqlx::query!(
            r#"SELECT min(id) AS "first!", source, lane AS "lane!" FROM deliveries
                WHERE event_id = $1 AND lane IS NOT NULL GROUP BY source, lane"#,
            event.0,
        )
        .fetch_all(&self.admin)
        .await?;
        let mut related = RelatedEvents::default();
        let mut found: Vec<Uuid> = Vec::new();
        for lane in own_lanes {
            let events = sqlx::query_scalar!(
                r#"
                WITH near AS MATERIALIZED (
                    (SELECT event_id, source, lane FROM deliveries WHERE id < $1
                      ORDER BY id DESC LIMIT $5)
                    UNION ALL
                    (SELECT event_id, source, lane FROM deliveries WHERE id >= $1
                      ORDER BY id LIMIT $5)
                    UNION ALL
                    (SELECT event_id, source, lane FROM lane_members
                      WHERE lane = $3 AND source = $2 LIMIT 1000)
                )
                SELECT DISTINCT event_id AS "event!" FROM near
                 WHERE source = $2 AND lane = $3 AND event_id <> $4
                 ORDER BY "event!" DESC LIMIT $6
                "#,
                lane.first,
                lane.source,
                lane.lane,
                event.0,
                LANE_REACH,
                limit,
            )
            .fetch_all(&self.admin)
            .await?;
            found.extend(events);
            related.lanes.push(Lane::shown(&lane.lane));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        related.events = found.into_iter().map(EventId).collect();
        Ok(related)
    }

    /// A slice of an event's body, and the size of the body; `None` if the event does not exist, was
    /// erased or belongs to another tenant. Slices of bodies stored out of line are read alone.
    pub async fn body_slice(
        &self,
        event: EventId,
        tenant: Option<&str>,
        from: i32,
        max: i32,
    ) -> Result<Option<Slice>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT octet_length(body) AS "size!", substring(body FROM $3 FOR $4) AS "slice!",
                      event_type, action, substring(body FROM 1 FOR 64) AS "beginning!"
                 FROM events WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)
                  AND erased_at IS NULL"#,
            event.0,
            tenant,
            from.saturating_add(1),
            max,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(row.map(|row| Slice {
            size: u64::try_from(row.size).unwrap_or_default(),
            is_as_received: !may_hold_credentials(
                &row.event_type,
                row.action.as_deref(),
                &row.beginning,
            ),
            bytes: row.slice,
        }))
    }
}
