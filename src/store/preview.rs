//! Everything about one delivery and its event, for users.

use bytes::Bytes;
use time::OffsetDateTime;

use super::events::{headers_from_json, strength_from_word};
use super::{EventId, Store, StoreError, StoredEvent};

/// An event, its body cut.
#[derive(Debug, Clone)]
pub struct EventPreview {
    /// The event; of its body only the beginning.
    pub event: StoredEvent,
    /// The size of the whole body, in bytes.
    pub body_size: u64,
    /// How often it was received; `None` once its key is deleted.
    pub seen_count: Option<i32>,
    /// When it was last received.
    pub last_seen_at: Option<OffsetDateTime>,
    /// How often it was received with another body under the same id.
    pub other_bodies: u32,
    /// Where its body comes from, if nobody sent it.
    pub edited: Option<Edit>,
}

/// An event's body is that of another one, edited by an operator. The proof is about the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The other event.
    pub from: EventId,
    /// Who edited it.
    pub by: String,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct PastAttempt {
    /// The delivery.
    pub delivery: i64,
    /// From 1.
    pub number: i32,
    /// When the handler was called.
    pub started_at: OffsetDateTime,
    /// When it came back.
    pub finished_at: OffsetDateTime,
    /// `done`, `retry`, `dead` or `lost`.
    pub result: String,
    /// What went wrong.
    pub error: Option<String>,
}

/// What an operator did to a delivery, or what made it.
#[derive(Debug, Clone)]
pub struct PastAction {
    /// The delivery to which it was done.
    pub delivery: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// `replay`, `discard`, `free` or `bury`.
    pub action: String,
    /// Why, in their words; empty where none was kept.
    pub reason: String,
    /// The new delivery, for a replay.
    pub replay: Option<i64>,
    /// The event of the new delivery: another one where it was edited.
    pub replay_event: Option<uuid::Uuid>,
}

impl EventPreview {
    /// The beginning of the body as text, if it is one; a character that the cut has halved is left
    /// out.
    pub fn as_text(&self) -> Option<&str> {
        let shown = &self.event.body;
        let is_cut = (shown.len() as u64) < self.body_size;
        match std::str::from_utf8(shown) {
            Ok(text) => Some(text),
            Err(error) if is_cut && error.error_len().is_none() => {
                std::str::from_utf8(shown.get(..error.valid_up_to())?).ok()
            }
            Err(_) => None,
        }
    }
}

impl Store {
    /// The deliveries of the event that `delivery` belongs to, oldest first; none when there is no
    /// such delivery.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sibling_ids(&self, delivery: i64) -> Result<Vec<i64>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM deliveries
              WHERE event_id = (SELECT event_id FROM deliveries WHERE id = $1)
              ORDER BY id",
            delivery,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(ids)
    }

    /// The deliveries of an event, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deliveries_of(&self, event: EventId) -> Result<Vec<i64>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM deliveries WHERE event_id = $1 ORDER BY id",
            event.0,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(ids)
    }

    /// The attempts at these deliveries, in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn attempts(&self, deliveries: &[i64]) -> Result<Vec<PastAttempt>, StoreError> {
        let attempts = sqlx::query_as!(
            PastAttempt,
            r#"SELECT delivery_id AS "delivery", number, started_at, finished_at, result, error
                 FROM attempts WHERE delivery_id = ANY($1)
                ORDER BY delivery_id, number"#,
            deliveries,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(attempts)
    }

    /// What operators did to these deliveries, and what made them, in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn operator_actions(
        &self,
        deliveries: &[i64],
    ) -> Result<Vec<PastAction>, StoreError> {
        let operator_actions = sqlx::query_as!(
            PastAction,
            r#"SELECT o.delivery_id AS "delivery", o.at, o.actor, o.action, o.reason,
                      o.replay_id AS "replay", d.event_id AS "replay_event?"
                 FROM operator_actions o LEFT JOIN deliveries d ON d.id = o.replay_id
                WHERE o.delivery_id = ANY($1) OR o.replay_id = ANY($1)
                ORDER BY o.id"#,
            deliveries,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(operator_actions)
    }

    /// The whole text of a delivery's last error.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn last_error(&self, delivery: i64) -> Result<Option<String>, StoreError> {
        let error =
            sqlx::query_scalar!("SELECT last_error FROM deliveries WHERE id = $1", delivery)
                .fetch_optional(&self.operator)
                .await?;
        Ok(error.flatten())
    }

    /// An event and up to `most` bytes of its body; `None` when there is none of this id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Inconsistent`] when the row is not one of ours.
    pub async fn event_preview(
        &self,
        id: EventId,
        most: i32,
    ) -> Result<Option<EventPreview>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT e.tenant, e.source, e.provider, e.kind, e.action, e.strength, e.late,
                      e.secret, e.skew_seconds, e.received_at, e.occurred_at, e.headers, e.claims,
                      e.envelope, octet_length(e.body) AS "size!",
                      substring(e.body FROM 1 FOR $2) AS "body!",
                      e.edited_from, e.edited_by, k.seen_count AS "seen_count?", k.last_seen_at AS "last_seen_at?", k.other_bodies AS "other_bodies?"
                 FROM events e LEFT JOIN event_keys k ON k.key = e.key AND k.event_id = e.id
                WHERE e.id = $1"#,
            id.0,
            most,
        )
        .fetch_optional(&self.operator)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let inconsistent =
            |column| StoreError::Inconsistent { table: "events", column, row: id.to_string() };
        let event = StoredEvent {
            id,
            tenant: row.tenant,
            source: row.source,
            provider: row.provider,
            kind: row.kind,
            action: row.action,
            strength: strength_from_word(&row.strength).ok_or_else(|| inconsistent("strength"))?,
            late: row.late,
            secret: row.secret,
            skew_seconds: row.skew_seconds,
            received_at: row.received_at,
            occurred_at: row.occurred_at,
            headers: headers_from_json(&row.headers).ok_or_else(|| inconsistent("headers"))?,
            claims: row.claims.map(Bytes::from),
            envelope: row.envelope.map(Bytes::from),
            body: Bytes::from(row.body),
        };
        let body_size = u64::try_from(row.size).map_err(|_| inconsistent("body"))?;
        let (seen_count, last_seen_at) = (row.seen_count, row.last_seen_at);
        let other_bodies = row.other_bodies.unwrap_or_default().unsigned_abs();
        let edited = row
            .edited_from
            .map(|from| Edit { from: EventId(from), by: row.edited_by.unwrap_or_default() });
        Ok(Some(EventPreview { event, body_size, seen_count, last_seen_at, other_bodies, edited }))
    }
}
