//! Events to deliver again, found in the order of their ids, which is the order of arrival. `events`
//! has no other index: a page reads a bounded number of events, and reports how far it got.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::words::{optional_word, word};
use super::{DeliveryState, EventId, IdRange, QUARANTINE, Resolution, Store, StoreError, Tx};

/// Selects events by their own columns. All given parts must match.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResendFilter {
    pub tenant: Option<String>,
    pub source: Option<String>,
    pub event_type: Option<String>,
    pub event_type_prefix: Option<String>,
    /// The stored name of the handler whose deliveries matter; `None` for all.
    pub handler: Option<String>,
    /// The lowest id.
    pub from: Uuid,
    /// The lowest id above the selection.
    pub below: Uuid,
}

/// How much a page reads.
#[derive(Debug, Clone, Copy)]
pub struct ResendLimits {
    /// The most events whose own columns are read.
    pub scanned: i64,
    /// The most matching events, whose deliveries are read.
    pub matching: i64,
}

/// Matching events, oldest first.
#[derive(Debug, Clone)]
pub struct ResendPage {
    pub events: Vec<EventDeliveries>,
    /// The last event that was read; `None` at the end of the selection.
    pub reached: Option<EventId>,
}

/// An event and the latest delivery for each handler of the selection.
#[derive(Debug, Clone)]
pub struct EventDeliveries {
    pub event: EventId,
    pub source: String,
    pub event_type: String,
    /// Whether it is quarantined: no handler has seen it.
    pub quarantined: bool,
    pub latest: Vec<LatestDelivery>,
}

/// The latest delivery of an event for a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestDelivery {
    pub id: i64,
    pub handler: String,
    pub state: DeliveryState,
    /// How it was resolved, for a dead letter.
    pub resolution: Option<Resolution>,
    /// Whether it only waits for the time of its next attempt.
    pub waits: bool,
}

/// A delivery to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResend {
    pub event: EventId,
    /// The stored name of the handler.
    pub handler: String,
    /// The latest delivery for this handler; `None` if there is none.
    pub previous: Option<i64>,
    /// Whether a dead letter of the source blocks its lane; only for a first delivery.
    pub lane_blocks: bool,
}

impl ResendFilter {
    /// The same without the events after the newest one, which it returns too: later ones do not
    /// match. `None` if there is none at all.
    pub async fn until_newest(mut self, store: &Store) -> Result<Option<Self>, StoreError> {
        let newest = sqlx::query_scalar!(
            "SELECT id FROM events WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1",
            self.from,
            self.below,
        )
        .fetch_optional(&store.admin)
        .await?;
        let Some(newest) = newest else { return Ok(None) };
        self.below = IdRange::of(EventId(newest)).below;
        Ok(Some(self))
    }
}

impl Store {
    /// The matching events after `after`.
    pub async fn find_events_to_resend(
        &self,
        filter: &ResendFilter,
        after: Option<EventId>,
        limits: ResendLimits,
        now: OffsetDateTime,
    ) -> Result<ResendPage, StoreError> {
        let mut connection = self.admin.acquire().await?;
        find(&mut connection, filter, after, limits, now).await
    }
}

impl Tx<'_> {
    /// As [`Store::find_events_to_resend`].
    pub async fn find_events_to_resend(
        &mut self,
        filter: &ResendFilter,
        after: Option<EventId>,
        limits: ResendLimits,
        now: OffsetDateTime,
    ) -> Result<ResendPage, StoreError> {
        find(self.connection(), filter, after, limits, now).await
    }

    /// Locks events and these of their deliveries: nobody else resends, replays or deletes them
    /// until the end of the transaction. Returns those that are neither deleted nor erased.
    pub async fn lock_events_to_resend(
        &mut self,
        events: &[EventId],
        deliveries: &[i64],
    ) -> Result<Vec<EventId>, StoreError> {
        let events: Vec<Uuid> = events.iter().map(|event| event.0).collect();
        let locked = sqlx::query_scalar!(
            "SELECT id FROM events WHERE id = ANY($1) AND erased_at IS NULL
              ORDER BY id FOR NO KEY UPDATE",
            &events,
        )
        .fetch_all(self.connection())
        .await?;
        self.lock_deliveries(deliveries, None).await?;
        Ok(locked.into_iter().map(EventId).collect())
    }

    /// Inserts deliveries that are due now, in the order in which their events were received, which
    /// is more exact than that of their ids, and returns their ids. One after a dead letter that
    /// blocks its lane takes its position, as a replay does; any other goes to the end of its lane.
    pub async fn insert_resends(
        &mut self,
        new: &[NewResend],
        now: OffsetDateTime,
    ) -> Result<Vec<i64>, StoreError> {
        let events: Vec<Uuid> = new.iter().map(|new| new.event.0).collect();
        let handlers: Vec<&str> = new.iter().map(|new| new.handler.as_str()).collect();
        let previous: Vec<Option<i64>> = new.iter().map(|new| new.previous).collect();
        let blocks: Vec<bool> = new.iter().map(|new| new.lane_blocks).collect();
        let ids = sqlx::query_scalar!(
            r#"
            INSERT INTO deliveries (event_id, source, handler, destination, triggered_by, replay_of,
                                    lane, lane_position, lane_blocks, state, created_at, due_at)
            SELECT e.id, e.source, p.handler, destination_of(p.handler), 'resend', d.id,
                   CASE WHEN d.id IS NULL THEN e.lane ELSE d.lane END,
                   CASE WHEN d.lane IS NOT NULL AND d.lane_blocks AND d.state = 'dead'
                             AND d.resolution IS NULL
                        THEN COALESCE(d.lane_position, d.id) END,
                   COALESCE(d.lane_blocks, p.lane_blocks), 'ready', $5, $5
              FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::boolean[])
                   WITH ORDINALITY AS p (event, handler, previous, lane_blocks, place)
              JOIN events e ON e.id = p.event
              LEFT JOIN deliveries d ON d.id = p.previous
             ORDER BY e.received_at, p.place
            RETURNING id
            "#,
            &events,
            &handlers as &[&str],
            &previous as &[Option<i64>],
            &blocks,
            now,
        )
        .fetch_all(self.connection())
        .await?;
        self.count_replays(&ids, now).await?;
        Ok(ids)
    }

    /// Makes waiting deliveries due, and returns which. Those behind another of their lane are left
    /// as they are.
    pub async fn make_due(
        &mut self,
        deliveries: &[i64],
        now: OffsetDateTime,
    ) -> Result<Vec<i64>, StoreError> {
        let due = sqlx::query_scalar!(
            "UPDATE deliveries SET due_at = $2
              WHERE id = ANY($1) AND state = 'ready' AND due_at > $2
                AND parked IS DISTINCT FROM 'behind'
             RETURNING id",
            deliveries,
            now,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(due)
    }
}

async fn find(
    connection: &mut PgConnection,
    filter: &ResendFilter,
    after: Option<EventId>,
    limits: ResendLimits,
    now: OffsetDateTime,
) -> Result<ResendPage, StoreError> {
    let from = after.map_or(filter.from, |after| IdRange::of(after).below);
    let rows = sqlx::query!(
        r#"
        WITH scanned AS MATERIALIZED (
            SELECT id, tenant, source, event_type, erased_at FROM events
             WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3
        ), matching AS MATERIALIZED (
            SELECT id, source, event_type FROM scanned
             WHERE erased_at IS NULL AND ($5::text IS NULL OR tenant = $5) AND ($6::text IS NULL OR source = $6)
               AND ($7::text IS NULL OR event_type = $7)
               AND ($8::text IS NULL OR starts_with(event_type, $8))
             ORDER BY id LIMIT $4
        )
        SELECT COALESCE(
                   (SELECT id FROM matching ORDER BY id OFFSET $4 - 1 LIMIT 1),
                   (SELECT id FROM scanned ORDER BY id OFFSET $3 - 1 LIMIT 1)) AS reached,
               m.id AS "event?", m.source AS "source?", m.event_type AS "event_type?",
               d.id AS "id?", d.handler AS "handler?", d.state AS "state?", d.resolution,
               d.waits AS "waits?"
          FROM (SELECT) AS one
          LEFT JOIN matching m ON true
          LEFT JOIN LATERAL (
            SELECT DISTINCT ON (handler) id, handler, state, resolution,
                   state = 'ready' AND due_at > $11 AND parked IS DISTINCT FROM 'behind' AS waits
              FROM deliveries
             WHERE event_id = m.id AND ($9::text IS NULL OR handler = $9 OR handler = $10)
             ORDER BY handler, id DESC) AS d ON true
         ORDER BY m.id, d.handler
        "#,
        from,
        filter.below,
        limits.scanned,
        limits.matching,
        filter.tenant,
        filter.source,
        filter.event_type,
        filter.event_type_prefix,
        filter.handler,
        QUARANTINE,
        now,
    )
    .fetch_all(connection)
    .await?;
    let mut page = ResendPage { events: Vec::new(), reached: None };
    for row in rows {
        page.reached = row.reached.map(EventId);
        let (Some(event), Some(source), Some(event_type)) =
            (row.event.map(EventId), row.source, row.event_type)
        else {
            continue;
        };
        if page.events.last().is_none_or(|last| last.event != event) {
            let (quarantined, latest) = (false, Vec::new());
            page.events.push(EventDeliveries { event, source, event_type, quarantined, latest });
        }
        let (Some(id), Some(handler), Some(state)) = (row.id, row.handler, row.state) else {
            continue;
        };
        let Some(last) = page.events.last_mut() else { continue };
        let table = "deliveries";
        let resolution = optional_word(row.resolution.as_deref(), table, "resolution", id)?;
        if handler == QUARANTINE {
            last.quarantined = resolution != Some(Resolution::Replayed);
            continue;
        }
        last.latest.push(LatestDelivery {
            id,
            handler,
            state: word(&state, table, "state", id)?,
            resolution,
            waits: row.waits.unwrap_or_default(),
        });
    }
    Ok(page)
}
