//! Erases events, in the transaction of the caller.
//!
//! The rows of deliveries are locked before those of events, as everywhere. Under their locks no
//! delivery is claimed, settled or replayed.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::stream::OperatorAction;
use crate::store::words::word;
use crate::store::{
    Counter, DeathReason, DeliveryState, Erasure, EventId, Resolution, Store, StoreError, Tx,
    bounded,
};

/// What stands in place of an erased text that must not be empty.
const ERASED: &str = "erased";

/// Who erases, when and why.
#[derive(Debug, Clone, Copy)]
pub struct Erasing<'a> {
    pub at: OffsetDateTime,
    pub by: &'a str,
    pub reason: &'a str,
}

/// A delivery that is unfinished, or a dead letter that nobody has resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDelivery {
    pub id: i64,
    pub event: EventId,
    pub source: String,
    /// The stored name of the handler.
    pub handler: String,
    pub state: DeliveryState,
}

/// An event to erase: one that was asked for, or an edited copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventToErase {
    pub id: EventId,
    /// The one that was asked for. An event may be a copy of several.
    pub root: EventId,
    pub provider: String,
}

/// What was erased of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErasedCounts {
    pub events: u64,
    /// The deliveries of those events.
    pub deliveries: u64,
}

impl Store {
    /// The erasure of an event; `None` if it is whole, deleted or of another tenant.
    pub async fn erasure_of(
        &self,
        event: EventId,
        tenant: Option<&str>,
    ) -> Result<Option<Erasure>, StoreError> {
        let row = sqlx::query!(
            "SELECT erased_at, erased_by, erased_reason, body_digest FROM events
              WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)",
            event.0,
            tenant,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(row.and_then(|row| {
            let digest = row.body_digest.as_deref();
            Erasure::of(row.erased_at, row.erased_by, row.erased_reason, digest)
        }))
    }
}

impl Tx<'_> {
    /// These events and all edited copies of them, as far as they are not erased.
    pub async fn events_to_erase(
        &mut self,
        events: &[EventId],
    ) -> Result<Vec<EventToErase>, StoreError> {
        let rows = sqlx::query!(
            r#"WITH RECURSIVE found (id, root) AS (
                    SELECT id, id FROM events WHERE id = ANY($1)
                     UNION
                    SELECT e.id, f.root FROM found f JOIN events e ON e.edited_from = f.id
               )
               SELECT e.id, f.root AS "root!", e.provider
                 FROM found f JOIN events e ON e.id = f.id
                WHERE e.erased_at IS NULL ORDER BY e.id, f.root"#,
            &uuids(events),
        )
        .fetch_all(self.connection())
        .await?;
        let found = rows.into_iter().map(|row| EventToErase {
            id: EventId(row.id),
            root: EventId(row.root),
            provider: row.provider,
        });
        Ok(found.collect())
    }

    /// Locks the deliveries of events, and returns those that are open.
    pub async fn lock_open_deliveries(
        &mut self,
        events: &[EventId],
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, event_id, source, handler, state,
                      state IN ('ready', 'leased') OR (state = 'dead' AND resolution IS NULL)
                          AS "open!"
                 FROM deliveries WHERE event_id = ANY($1) ORDER BY id FOR UPDATE"#,
            &uuids(events),
        )
        .fetch_all(self.connection())
        .await?;
        let open = rows.into_iter().filter(|row| row.open).map(|row| {
            Ok(OpenDelivery {
                state: word(&row.state, "deliveries", "state", row.id)?,
                id: row.id,
                event: EventId(row.event_id),
                source: row.source,
                handler: row.handler,
            })
        });
        open.collect()
    }

    /// Ends open deliveries as discarded dead letters. Their rows are locked. One that is running
    /// loses its lease: its result is not recorded.
    pub async fn discard_open_deliveries(
        &mut self,
        open: &[OpenDelivery],
        erasing: Erasing<'_>,
    ) -> Result<(), StoreError> {
        if open.is_empty() {
            return Ok(());
        }
        let Erasing { at, by: actor, reason } = erasing;
        let unfinished: Vec<&OpenDelivery> =
            open.iter().filter(|delivery| delivery.state != DeliveryState::Dead).collect();
        let ids: Vec<i64> = unfinished.iter().map(|delivery| delivery.id).collect();
        sqlx::query!(
            "UPDATE deliveries
                SET state = 'dead', finished_at = $2, death_reason = $3, parked = NULL,
                    awaiting = NULL, lease_token = NULL, lease_expires_at = NULL
              WHERE id = ANY($1)",
            &ids,
            at,
            DeathReason::Erased.as_str(),
        )
        .execute(self.connection())
        .await?;
        let action = |action| OperatorAction { at, actor, action, reason, job: None };
        self.record_action(action("dead_letter"), &ids, &[]).await?;
        for delivery in &unfinished {
            self.add_to_counter(&delivery.source, Counter::Dead, 1, at).await?;
        }
        let all: Vec<i64> = open.iter().map(|delivery| delivery.id).collect();
        self.resolve(&all, Resolution::Discarded, at).await?;
        self.record_action(action("discard"), &all, &[]).await
    }

    /// Erases events whose deliveries are locked and ended, with everything the gateway keeps of
    /// their payload.
    pub async fn erase_events(
        &mut self,
        events: &[EventId],
        erasing: Erasing<'_>,
    ) -> Result<ErasedCounts, StoreError> {
        let events = uuids(events);
        let deliveries = self.erase_texts_of_deliveries(&events).await?;
        sqlx::query!("DELETE FROM destination_responses WHERE event_id = ANY($1)", &events)
            .execute(self.connection())
            .await?;
        // The key of a dead letter's alert is made of names, by which it is found again.
        sqlx::query!(
            "UPDATE alerts SET text = $2, key = CASE alert_type WHEN $3 THEN key ELSE '' END
              WHERE event_id = ANY($1)",
            &events,
            ERASED,
            crate::store::DEAD_LETTER,
        )
        .execute(self.connection())
        .await?;
        // A closed transfer stays as a tombstone, by its digests.
        sqlx::query!(
            "UPDATE chunk_transfers
                SET headers = '{}', envelope = '{}', transfer_id = '', action = NULL
              WHERE event_id = ANY($1) AND state <> 'open'",
            &events,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!("DELETE FROM rejected_requests WHERE event_id = ANY($1)", &events)
            .execute(self.connection())
            .await?;
        let erased = sqlx::query!(
            "UPDATE events
                SET headers = '{}', claims = NULL, envelope = NULL, body = '', action = NULL,
                    lane = NULL, occurred_at = NULL, erased_at = $2, erased_by = $3, erased_reason = $4,
                    body_digest = sha256(body)
              WHERE id = ANY($1) AND erased_at IS NULL",
            &events,
            erasing.at,
            bounded(erasing.by),
            bounded(erasing.reason),
        )
        .execute(self.connection())
        .await?;
        Ok(ErasedCounts { events: erased.rows_affected(), deliveries })
    }

    /// Erases lanes and errors of deliveries, which may quote the payload, and where these are
    /// quoted again. Returns the number of deliveries.
    async fn erase_texts_of_deliveries(&mut self, events: &[Uuid]) -> Result<u64, StoreError> {
        sqlx::query!(
            "UPDATE destinations x SET last_error = NULL
               FROM deliveries d
              WHERE d.event_id = ANY($1) AND x.name = d.destination
                AND (starts_with(d.last_error, x.last_error)
                     OR EXISTS (SELECT FROM attempts a
                                 WHERE a.delivery_id = d.id
                                   AND starts_with(a.error, x.last_error)))",
            events,
        )
        .execute(self.connection())
        .await?;
        // The message of a group is the error of one of its dead letters.
        sqlx::query!(
            "WITH locked AS MATERIALIZED (
                SELECT id FROM dead_letter_groups
                 WHERE message <> ''
                   AND id IN (SELECT group_id FROM deliveries WHERE event_id = ANY($1))
                 ORDER BY fingerprint FOR UPDATE)
             UPDATE dead_letter_groups SET message = '' WHERE id IN (SELECT id FROM locked)",
            events,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "UPDATE attempts SET error = NULL
              WHERE error IS NOT NULL
                AND delivery_id IN (SELECT id FROM deliveries WHERE event_id = ANY($1))",
            events,
        )
        .execute(self.connection())
        .await?;
        let done = sqlx::query!(
            "UPDATE deliveries
                SET last_error = NULL, lane = NULL, lane_position = NULL, awaiting = NULL
              WHERE event_id = ANY($1)",
            events,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }

    /// Erases the texts that are kept about a source whose events may be gone: those of alerts
    /// about events, and of groups.
    pub async fn erase_texts_of_source(&mut self, source: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE alerts SET text = $2, key = CASE alert_type WHEN $3 THEN key ELSE '' END
              WHERE source = $1 AND event_id IS NOT NULL",
            source,
            ERASED,
            crate::store::DEAD_LETTER,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!("UPDATE dead_letter_groups SET message = '' WHERE source = $1", source)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Deletes transfers that are still incomplete, with their chunks. Returns their number.
    pub async fn erase_transfers(&mut self, transfers: &[i64]) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM chunk_transfers WHERE id = ANY($1) AND state = 'open'",
            transfers,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }

    /// Deletes rejected requests. Returns their number.
    pub async fn erase_rejected(&mut self, requests: &[Uuid]) -> Result<u64, StoreError> {
        let done = sqlx::query!("DELETE FROM rejected_requests WHERE id = ANY($1)", requests)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected())
    }
}

fn uuids(events: &[EventId]) -> Vec<Uuid> {
    events.iter().map(|event| event.0).collect()
}
