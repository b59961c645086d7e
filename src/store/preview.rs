//! Details of one delivery and its event, for users.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::events::headers_from_json;
use super::words::word;
use super::{DeliveryAttempt, Erasure, EventId, Store, StoreError, StoredEvent};

/// An event with a truncated body.
#[derive(Debug, Clone)]
pub struct EventPreview {
    /// With only the beginning of its body.
    pub event: StoredEvent,
    /// The size of the whole body, in bytes.
    pub body_size: u64,
    /// How often it was received; `None` once its key is deleted.
    pub seen_count: Option<i32>,
    pub last_seen_at: Option<OffsetDateTime>,
    /// How often its id was received with another body.
    pub other_bodies: u32,
    /// Set if an operator wrote the body.
    pub edited: Option<Edit>,
    /// Set if its payload was erased.
    pub erased: Option<Erasure>,
}

/// The original of an edited event, and who edited it. The proof is about the original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventEdited)]
pub struct Edit {
    /// The original event.
    pub from: EventId,
    /// Who edited it.
    pub by: String,
}

/// A user's action on a delivery, or the one that created it.
#[derive(Debug, Clone)]
pub struct PastAction {
    pub delivery: i64,
    pub at: OffsetDateTime,
    pub actor: String,
    pub action: PastActionKind,
    /// The reason given; empty where none was recorded.
    pub reason: String,
    /// The new delivery.
    pub replay: Option<i64>,
    /// The event of the new delivery: another one if it was edited.
    pub replay_event: Option<EventId>,
}

/// The kind of a [`PastAction`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum PastActionKind {
    Replay,
    /// Its event was delivered again, or for the first time.
    Resend,
    /// It was made due.
    Retry,
    Discard,
    /// Its lane was unblocked.
    Unblock,
    /// Dead-lettered because its destination was removed.
    DeadLetter,
}

impl EventPreview {
    /// The beginning of the body as text, if it is UTF-8, up to the last complete character.
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
    /// The deliveries of the event of `delivery`, oldest first; empty if there is no such delivery.
    pub async fn sibling_ids(&self, delivery: i64) -> Result<Vec<i64>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM deliveries
              WHERE event_id = (SELECT event_id FROM deliveries WHERE id = $1)
              ORDER BY id",
            delivery,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(ids)
    }

    /// The deliveries of an event, oldest first.
    pub async fn deliveries_of(&self, event: EventId) -> Result<Vec<i64>, StoreError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM deliveries WHERE event_id = $1 ORDER BY id",
            event.0,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(ids)
    }

    /// The attempts of these deliveries, in order.
    pub async fn attempts(&self, deliveries: &[i64]) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT delivery_id AS "delivery", number, started_at, finished_at, result, error
                 FROM attempts WHERE delivery_id = ANY($1)
                ORDER BY delivery_id, number"#,
            deliveries,
        )
        .fetch_all(&self.admin)
        .await?;
        let attempts = rows.into_iter().map(|row| {
            Ok(DeliveryAttempt {
                delivery: row.delivery,
                number: row.number,
                started_at: row.started_at,
                finished_at: row.finished_at,
                seconds: (row.finished_at - row.started_at).as_seconds_f64(),
                result: word(&row.result, "attempts", "result", row.delivery)?,
                error: row.error,
            })
        });
        attempts.collect()
    }

    /// Users' actions on these deliveries, and those that created them, in order.
    pub async fn operator_actions(
        &self,
        deliveries: &[i64],
    ) -> Result<Vec<PastAction>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT o.delivery_id AS "delivery", o.at, o.actor, o.action, o.reason,
                      o.replay_id AS "replay", d.event_id AS "replay_event?"
                 FROM operator_actions o LEFT JOIN deliveries d ON d.id = o.replay_id
                WHERE o.delivery_id = ANY($1) OR o.replay_id = ANY($1)
                ORDER BY o.id"#,
            deliveries,
        )
        .fetch_all(&self.admin)
        .await?;
        let actions = rows.into_iter().map(|row| {
            Ok(PastAction {
                delivery: row.delivery,
                at: row.at,
                actor: row.actor,
                action: word(&row.action, "operator_actions", "action", row.delivery)?,
                reason: row.reason,
                replay: row.replay,
                replay_event: row.replay_event.map(EventId),
            })
        });
        actions.collect()
    }

    /// The full text of a delivery's last error.
    pub async fn last_error(&self, delivery: i64) -> Result<Option<String>, StoreError> {
        let error =
            sqlx::query_scalar!("SELECT last_error FROM deliveries WHERE id = $1", delivery)
                .fetch_optional(&self.admin)
                .await?;
        Ok(error.flatten())
    }

    /// An event and up to `max` bytes of its body.
    pub async fn event_preview(
        &self,
        id: EventId,
        max: i32,
    ) -> Result<Option<EventPreview>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT e.tenant, e.source, e.provider, e.event_type, e.action, e.strength, e.late,
                      e.secret, e.skew_seconds, e.received_at, e.occurred_at, e.headers, e.claims,
                      e.envelope, octet_length(e.body) AS "size!",
                      substring(e.body FROM 1 FOR $2) AS "body!",
                      e.edited_from, e.edited_by, e.erased_at, e.erased_by, e.erased_reason,
                      e.body_digest, k.seen_count AS "seen_count?", k.last_seen_at AS "last_seen_at?", k.other_bodies AS "other_bodies?"
                 FROM events e LEFT JOIN event_keys k ON k.key = e.key AND k.event_id = e.id
                WHERE e.id = $1"#,
            id.0,
            max,
        )
        .fetch_optional(&self.admin)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let inconsistent =
            |column| StoreError::Inconsistent { table: "events", column, row: id.to_string() };
        let event = StoredEvent {
            id,
            tenant: row.tenant,
            source: row.source,
            provider: row.provider,
            event_type: row.event_type,
            action: row.action,
            strength: word(&row.strength, "events", "strength", id)?,
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
        let digest = row.body_digest.as_deref();
        let erased = Erasure::of(row.erased_at, row.erased_by, row.erased_reason, digest);
        let preview = EventPreview {
            event,
            body_size,
            seen_count,
            last_seen_at,
            other_bodies,
            edited,
            erased,
        };
        Ok(Some(preview))
    }
}
