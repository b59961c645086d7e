//! Edited events: the body is a user's, everything else is copied from the original. They have no
//! proof: their strength is `edited`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{EventId, Store, StoreError, Tx, bounded};

/// An edited copy of an event.
#[derive(Debug)]
pub struct NewEdit<'a> {
    pub id: EventId,
    pub original: EventId,
    pub body: &'a [u8],
    /// The envelope of its chunks with the size and digest of this body; `None` for the original's.
    pub envelope: Option<&'a [u8]>,
    pub by: &'a str,
    pub at: OffsetDateTime,
}

/// An edited copy of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventEdit)]
pub struct EditMade {
    /// The edited copy.
    pub event: EventId,
    /// Who edited it.
    pub by: String,
    /// When it was edited.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Store {
    /// The edited copies of an event, oldest first.
    pub async fn edits_of(
        &self,
        original: EventId,
        limit: i64,
    ) -> Result<Vec<EditMade>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, edited_by, received_at FROM events WHERE edited_from = $1
              ORDER BY received_at, id LIMIT $2",
            original.0,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        let made = rows.into_iter().map(|row| EditMade {
            event: EventId(row.id),
            by: row.edited_by.unwrap_or_default(),
            at: row.received_at,
        });
        Ok(made.collect())
    }
}

impl Tx<'_> {
    /// Inserts an edited event; false if the original was deleted or erased. Its deduplication key
    /// is random, so that no request is ever a duplicate of it.
    pub async fn insert_edit(&mut self, new: &NewEdit<'_>) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO events (id, tenant, source, provider, event_type, action, strength, late,
                                 secret, skew_seconds, received_at, occurred_at, key, headers, claims,
                                 envelope, body, lane, edited_from, edited_by)
             SELECT $2, tenant, source, provider, event_type, action, 'edited', late, secret,
                    skew_seconds, $3, occurred_at, $4, headers, claims, COALESCE($7, envelope),
                    $5, lane, id, $6
               FROM events WHERE id = $1 AND erased_at IS NULL",
            new.original.0,
            new.id.0,
            new.at,
            Uuid::from_u128(rand::random()),
            new.body,
            bounded(new.by),
            new.envelope,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
