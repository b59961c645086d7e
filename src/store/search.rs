//! Searching events, newest first. Events are indexed by their id, which sorts by time, and by
//! source: a search tries its filter on a bounded number of events, or of events of the source, and
//! reports how far back it got.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::word;
use super::{DeliveryState, Edit, Erasure, EventId, IdRange, KeyDigest, Store, StoreError};
use crate::verify::Strength;

/// How much of a body is searched for a text, in bytes.
pub const SEARCHED_BYTES: i32 = 64 * 1024;

/// A filter for events. All given parts must match.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub tenant: Option<String>,
    pub source: Option<String>,
    pub provider: Option<String>,
    pub event_type: Option<String>,
    pub event_type_prefix: Option<String>,
    pub strength: Option<Strength>,
    /// The state of a delivery of the event.
    pub state: Option<DeliveryState>,
    /// Bytes in the first [`SEARCHED_BYTES`] of the body.
    pub text: Option<Vec<u8>>,
}

/// An event, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventSummary {
    /// The id.
    pub id: EventId,
    /// The tenant of its source.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The provider of the source.
    pub provider: String,
    /// The event type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The strength of its proof.
    pub strength: Strength,
    /// The original event, if an operator created this one by an edit.
    pub edited: Option<Edit>,
    /// Who erased its payload; null if it is whole.
    pub erased: Option<Erasure>,
    /// Whether it was accepted after its token expired.
    pub late: bool,
    /// When it was received.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// The size of its body in bytes; 0 if it was erased.
    pub size_bytes: u64,
    /// The number of its deliveries by state.
    pub deliveries: DeliveryCounts,
}

/// The number of deliveries of an event by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventDeliveries)]
pub struct DeliveryCounts {
    /// Deliveries that wait for an attempt.
    pub ready: u64,
    /// Deliveries with a running attempt.
    pub leased: u64,
    /// Completed deliveries.
    pub done: u64,
    /// Open dead letters.
    pub dead: u64,
    /// Resolved dead letters.
    pub resolved: u64,
}

/// The result of a search.
#[derive(Debug, Clone)]
pub struct FoundEvents {
    /// Newest first.
    pub events: Vec<EventSummary>,
    /// The oldest event searched; `None` if there are none before it.
    pub reached: Option<EventId>,
}

impl Store {
    /// Up to `limit` matching events in `range`. It checks the columns of at most 50,000 events, of
    /// the source if one is given, and the deliveries and bodies of at most 2,000 of the matching ones.
    pub async fn search_events(
        &self,
        filter: &EventFilter,
        range: IdRange,
        limit: i64,
    ) -> Result<FoundEvents, StoreError> {
        let ids = sqlx::query_scalar!(
            r#"
            WITH candidates AS MATERIALIZED (
                SELECT e.id
                  FROM (SELECT id, tenant, source, provider, event_type, strength FROM events
                         WHERE id >= $1 AND id < $2 AND ($4::text IS NULL OR source = $4)
                         ORDER BY id DESC LIMIT 50000) AS e
                 WHERE ($3::text IS NULL OR e.tenant = $3)
                   AND ($5::text IS NULL OR e.provider = $5)
                   AND ($6::text IS NULL OR e.event_type = $6)
                   AND ($7::text IS NULL OR starts_with(e.event_type, $7))
                   AND ($8::text IS NULL OR e.strength = $8)
                 ORDER BY e.id DESC LIMIT 2000
            )
            SELECT c.id AS "id!" FROM candidates c
             WHERE ($9::text IS NULL OR (SELECT true FROM deliveries d
                                          WHERE d.event_id = c.id AND d.state = $9 LIMIT 1))
               AND ($10::bytea IS NULL
                    OR (SELECT position($10 IN substring(body FROM 1 FOR $11)) > 0
                          FROM events WHERE id = c.id))
             ORDER BY c.id DESC LIMIT $12
            "#,
            range.from,
            range.below,
            filter.tenant,
            filter.source,
            filter.provider,
            filter.event_type,
            filter.event_type_prefix,
            filter.strength.map(Strength::as_str),
            filter.state.map(DeliveryState::as_str),
            filter.text,
            SEARCHED_BYTES,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        let full = ids.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let reached = match ids.last() {
            Some(last) if full => Some(EventId(*last)),
            _ => self.search_limit(filter, range).await?,
        };
        let ids: Vec<EventId> = ids.into_iter().map(EventId).collect();
        let events = self.event_summaries(&ids, filter.tenant.as_deref()).await?;
        Ok(FoundEvents { events, reached })
    }

    /// These events, newest first, without those of other tenants.
    pub async fn event_summaries(
        &self,
        events: &[EventId],
        tenant: Option<&str>,
    ) -> Result<Vec<EventSummary>, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.0).collect();
        let rows = sqlx::query!(
            r#"SELECT id, tenant, source, provider, event_type, strength, late, received_at,
                      edited_from, edited_by, erased_at, erased_by, erased_reason, body_digest,
                      octet_length(body) AS "size!"
                 FROM events WHERE id = ANY($1) AND ($2::text IS NULL OR tenant = $2)
                ORDER BY id DESC"#,
            &ids,
            tenant,
        )
        .fetch_all(&self.admin)
        .await?;
        let counts = self.delivery_counts(&ids).await?;
        let rows = rows.into_iter().map(|row| {
            let inconsistent = |column| {
                let row = row.id.to_string();
                StoreError::Inconsistent { table: "events", column, row }
            };
            let counts = counts.iter().find(|(id, _)| *id == row.id);
            Ok(EventSummary {
                id: EventId(row.id),
                strength: word(&row.strength, "events", "strength", row.id)?,
                edited: row.edited_from.map(|from| Edit {
                    from: EventId(from),
                    by: row.edited_by.unwrap_or_default(),
                }),
                erased: Erasure::of(
                    row.erased_at,
                    row.erased_by,
                    row.erased_reason,
                    row.body_digest.as_deref(),
                ),
                size_bytes: u64::try_from(row.size).map_err(|_| inconsistent("body"))?,
                tenant: row.tenant,
                source: row.source,
                provider: row.provider,
                event_type: row.event_type,
                late: row.late,
                received_at: row.received_at,
                deliveries: counts.map(|(_, counts)| *counts).unwrap_or_default(),
            })
        });
        rows.collect()
    }

    /// The last event that a search can reach; `None` if it reaches all.
    async fn search_limit(
        &self,
        filter: &EventFilter,
        range: IdRange,
    ) -> Result<Option<EventId>, StoreError> {
        let reached = sqlx::query_scalar!(
            r#"
            WITH candidates AS MATERIALIZED (
                SELECT e.id
                  FROM (SELECT id, tenant, source, provider, event_type, strength FROM events
                         WHERE id >= $1 AND id < $2 AND ($4::text IS NULL OR source = $4)
                         ORDER BY id DESC LIMIT 50000) AS e
                 WHERE ($3::text IS NULL OR e.tenant = $3)
                   AND ($5::text IS NULL OR e.provider = $5)
                   AND ($6::text IS NULL OR e.event_type = $6)
                   AND ($7::text IS NULL OR starts_with(e.event_type, $7))
                   AND ($8::text IS NULL OR e.strength = $8)
                 ORDER BY e.id DESC LIMIT 2000
            )
            SELECT COALESCE(
                (SELECT id FROM candidates ORDER BY id DESC OFFSET 1999 LIMIT 1),
                (SELECT id FROM events
                  WHERE id >= $1 AND id < $2 AND ($4::text IS NULL OR source = $4)
                  ORDER BY id DESC OFFSET 49999 LIMIT 1))
            "#,
            range.from,
            range.below,
            filter.tenant,
            filter.source,
            filter.provider,
            filter.event_type,
            filter.event_type_prefix,
            filter.strength.map(Strength::as_str),
        )
        .fetch_one(&self.admin)
        .await?;
        Ok(reached.map(EventId))
    }

    /// The deliveries of these events, counted by state.
    async fn delivery_counts(
        &self,
        events: &[Uuid],
    ) -> Result<Vec<(Uuid, DeliveryCounts)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT event_id,
                      count(*) FILTER (WHERE state = 'ready') AS "ready!",
                      count(*) FILTER (WHERE state = 'leased') AS "leased!",
                      count(*) FILTER (WHERE state = 'done') AS "done!",
                      count(*) FILTER (WHERE state = 'dead' AND resolution IS NULL) AS "dead!",
                      count(*) FILTER (WHERE state = 'dead' AND resolution IS NOT NULL)
                          AS "resolved!"
                 FROM deliveries WHERE event_id = ANY($1) GROUP BY event_id"#,
            events,
        )
        .fetch_all(&self.admin)
        .await?;
        let counts = rows.into_iter().map(|row| {
            let counts = DeliveryCounts {
                ready: row.ready.unsigned_abs(),
                leased: row.leased.unsigned_abs(),
                done: row.done.unsigned_abs(),
                dead: row.dead.unsigned_abs(),
                resolved: row.resolved.unsigned_abs(),
            };
            (row.event_id, counts)
        });
        Ok(counts.collect())
    }

    /// The events that have these deduplication keys now.
    pub async fn events_with_keys(&self, keys: &[KeyDigest]) -> Result<Vec<EventId>, StoreError> {
        let keys: Vec<Uuid> = keys.iter().map(|key| key.as_uuid()).collect();
        let ids = sqlx::query_scalar!(
            "SELECT DISTINCT event_id FROM event_keys WHERE key = ANY($1) ORDER BY event_id DESC",
            &keys,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(ids.into_iter().map(EventId).collect())
    }

    /// The types of the newest 5,000 events, with the number of events of each.
    pub async fn recent_types(
        &self,
        tenant: Option<&str>,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT event_type, count(*) AS "count!"
                 FROM (SELECT event_type, tenant FROM events ORDER BY id DESC LIMIT 5000) AS late
                WHERE $1::text IS NULL OR tenant = $1
                GROUP BY event_type ORDER BY 2 DESC, 1"#,
            tenant,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().map(|row| (row.event_type, row.count.unsigned_abs())).collect())
    }
}
