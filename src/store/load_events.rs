//! Loads events: one, or those of several deliveries at once.

use bytes::Bytes;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::events::headers_from_json;
use super::words::{optional_word, word};
use super::{EventId, Origin, Store, StoreError, StoredEvent};

/// Bodies up to this size are read with their row. Larger ones are read in slices of this size, so
/// that memory holds the body once instead of three times.
const SLICE: i32 = 4 * 1024 * 1024;
/// Larger bodies are not loaded together with others.
const SMALL_BODY: i32 = 64 * 1024;

/// The row of an event, with its body or the first slice of it.
struct EventRow {
    id: Uuid,
    delivery: Option<i64>,
    tenant: String,
    source: String,
    provider: String,
    event_type: String,
    action: Option<String>,
    strength: String,
    late: bool,
    secret: String,
    skew_seconds: Option<i64>,
    received_at: OffsetDateTime,
    occurred_at: Option<OffsetDateTime>,
    headers: Vec<u8>,
    claims: Option<Vec<u8>>,
    envelope: Option<Vec<u8>>,
    size: i32,
    body: Vec<u8>,
    edited_from: Option<Uuid>,
    trigger: Option<String>,
}

impl EventRow {
    /// The event, once the row has its whole body.
    fn event(self, edited_from: Option<EventId>) -> Result<(StoredEvent, Origin), StoreError> {
        let id = EventId(self.id);
        let trigger = optional_word(self.trigger.as_deref(), "deliveries", "triggered_by", id)?;
        let origin =
            Origin { delivery: self.delivery, trigger: trigger.unwrap_or_default(), edited_from };
        let event = StoredEvent {
            id,
            tenant: self.tenant,
            source: self.source,
            provider: self.provider,
            event_type: self.event_type,
            action: self.action,
            strength: word(&self.strength, "events", "strength", id)?,
            late: self.late,
            secret: self.secret,
            skew_seconds: self.skew_seconds,
            received_at: self.received_at,
            occurred_at: self.occurred_at,
            headers: headers_from_json(&self.headers).ok_or_else(|| inconsistent(id, "headers"))?,
            claims: self.claims.map(Bytes::from),
            envelope: self.envelope.map(Bytes::from),
            body: Bytes::from(self.body),
        };
        Ok((event, origin))
    }
}

impl Store {
    /// Reads an event; `None` if it was deleted or erased.
    pub async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.event_to_deliver(id, None).await?.map(|(event, _)| event))
    }

    /// Reads an event and the origin of its delivery; `None` if it was deleted or erased, so that
    /// nothing ever takes an erased body for an empty one.
    pub async fn event_to_deliver(
        &self,
        id: EventId,
        delivery: Option<i64>,
    ) -> Result<Option<(StoredEvent, Origin)>, StoreError> {
        let mut connection = self.dispatch.acquire().await?;
        let row = sqlx::query_as!(
            EventRow,
            r#"SELECT id, $3::bigint AS delivery, tenant, source, provider, event_type, action,
                      strength, late, secret, skew_seconds, received_at, occurred_at, headers,
                      claims, envelope, octet_length(body) AS "size!",
                      substring(body FROM 1 FOR $2) AS "body!", edited_from,
                      (SELECT triggered_by FROM deliveries WHERE id = $3) AS trigger
                 FROM events WHERE id = $1 AND erased_at IS NULL"#,
            id.0,
            SLICE,
            delivery,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(mut row) = row else { return Ok(None) };

        let size = usize::try_from(row.size).map_err(|_| inconsistent(id, "body"))?;
        row.body.reserve_exact(size.saturating_sub(row.body.len()));
        while row.body.len() < size {
            let from = i32::try_from(row.body.len() + 1).map_err(|_| inconsistent(id, "body"))?;
            let slice = sqlx::query_scalar!(
                r#"SELECT substring(body FROM $2 FOR $3) AS "slice!" FROM events WHERE id = $1"#,
                id.0,
                from,
                SLICE,
            )
            .fetch_one(&mut *connection)
            .await?;
            if slice.is_empty() {
                return Err(inconsistent(id, "body"));
            }
            row.body.extend_from_slice(&slice);
        }
        let edited_from = match row.edited_from {
            Some(from) => Some(original_of(&mut connection, from).await?),
            None => None,
        };
        row.event(edited_from).map(Some)
    }

    /// The size of an event's body in bytes, which is not read; `None` if the event was deleted.
    pub async fn body_size(&self, id: EventId) -> Result<Option<usize>, StoreError> {
        let size = sqlx::query_scalar!(
            r#"SELECT octet_length(body) AS "size!" FROM events WHERE id = $1"#,
            id.0,
        )
        .fetch_optional(&self.dispatch)
        .await?;
        size.map(|size| usize::try_from(size).map_err(|_| inconsistent(id, "body"))).transpose()
    }

    /// Reads the events of deliveries, each with its origin, in one statement. Left out are events
    /// with a large body, edited ones, and those that no longer exist: see
    /// [`Store::event_to_deliver`].
    pub async fn events_to_deliver(
        &self,
        deliveries: &[(i64, EventId)],
    ) -> Result<Vec<(StoredEvent, Origin)>, StoreError> {
        let (ids, events): (Vec<i64>, Vec<Uuid>) =
            deliveries.iter().map(|(delivery, event)| (*delivery, event.0)).unzip();
        let rows = sqlx::query_as!(
            EventRow,
            r#"SELECT e.id, w.delivery, e.tenant, e.source, e.provider, e.event_type, e.action,
                      e.strength, e.late, e.secret, e.skew_seconds, e.received_at, e.occurred_at,
                      e.headers, e.claims, e.envelope, octet_length(e.body) AS "size!", e.body,
                      e.edited_from,
                      (SELECT triggered_by FROM deliveries WHERE id = w.delivery) AS trigger
                 FROM UNNEST($1::bigint[], $2::uuid[]) AS w (delivery, event)
                CROSS JOIN LATERAL (SELECT * FROM events WHERE id = w.event LIMIT 1) AS e
                WHERE octet_length(e.body) <= $3 AND e.edited_from IS NULL
                  AND e.erased_at IS NULL"#,
            &ids,
            &events,
            SMALL_BODY,
        )
        .fetch_all(&self.dispatch)
        .await?;
        rows.into_iter().map(|row| row.event(None)).collect()
    }
}

fn inconsistent(id: EventId, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "events", column, row: id.to_string() }
}

/// The original of an event that may have been edited more than once.
async fn original_of(connection: &mut PgConnection, edited: Uuid) -> Result<EventId, StoreError> {
    let first = sqlx::query_scalar!(
        r#"WITH RECURSIVE chain (id, edited_from, depth) AS (
                SELECT id, edited_from, 0 FROM events WHERE id = $1
                 UNION ALL
                SELECT e.id, e.edited_from, c.depth + 1
                  FROM chain c JOIN events e ON e.id = c.edited_from
                 WHERE c.depth < 1000
           )
           SELECT COALESCE(edited_from, id) AS "id!" FROM chain ORDER BY depth DESC LIMIT 1"#,
        edited,
    )
    .fetch_optional(connection)
    .await?;
    Ok(EventId(first.unwrap_or(edited)))
}
