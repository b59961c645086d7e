//! Rejected requests that are kept, as the vault has sealed them.

use time::OffsetDateTime;
use uuid::Uuid;

use super::credentials::sealed;
use super::words::word;
use super::{EventId, Store, StoreError, Tx, bounded};
use crate::vault::{KeyId, Sealed};

mod types;

pub use types::{
    NewRejectedRequest, RejectedRequest, RejectedRequestFilter, RejectedRequestLimits,
    RejectedRequestSelection, SealedRejectedRequest,
};

const TABLE: &str = "rejected_requests";
/// How many expired requests are deleted at a time.
const STEP: i64 = 1000;

/// The columns of a [`RejectedRequest`].
struct Columns {
    id: Uuid,
    tenant: String,
    source: String,
    provider: String,
    reason: String,
    peer: Option<String>,
    size_bytes: i64,
    received_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    event_id: Option<Uuid>,
    verified_at: Option<OffsetDateTime>,
    verified_by: Option<String>,
}

impl TryFrom<Columns> for RejectedRequest {
    type Error = StoreError;

    fn try_from(row: Columns) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            provider: row.provider,
            reason: word(&row.reason, TABLE, "reason", row.id)?,
            peer: row.peer,
            size_bytes: row.size_bytes,
            received_at: row.received_at,
            expires_at: row.expires_at,
            event: row.event_id.map(EventId),
            verified_at: row.verified_at,
            verified_by: row.verified_by,
        })
    }
}

impl Store {
    /// Keeps a request; false if the source already keeps as much as it may.
    pub async fn keep_rejected(
        &self,
        new: &NewRejectedRequest<'_>,
        bounds: RejectedRequestLimits,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO rejected_requests (id, tenant, source, provider, reason, peer, size_bytes,
                                        key_id, nonce, ciphertext, received_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
               FROM (SELECT count(*) AS kept, COALESCE(sum(octet_length(ciphertext)), 0) AS bytes
                       FROM rejected_requests WHERE source = $3) AS there
              WHERE there.kept < $13 AND there.bytes + octet_length($10::bytea) <= $14::bigint",
            new.id,
            new.tenant,
            new.source,
            new.provider,
            new.reason.as_str(),
            new.peer,
            i64::try_from(new.size).unwrap_or(i64::MAX),
            new.sealed.key_id.as_str(),
            &new.sealed.nonce[..],
            &new.sealed.ciphertext[..],
            new.received_at,
            new.expires_at,
            bounds.rows,
            bounds.bytes,
        )
        .execute(&self.admin)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Up to `limit` of those that match, newest first.
    pub async fn rejected_requests(
        &self,
        filter: &RejectedRequestFilter,
        limit: i64,
    ) -> Result<Vec<RejectedRequest>, StoreError> {
        let rows = sqlx::query_as!(
            Columns,
            "SELECT id, tenant, source, provider, reason, peer, size_bytes, received_at,
                    expires_at, event_id, verified_at, verified_by
               FROM rejected_requests
              WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR source = $2)
                AND ($3::uuid IS NULL OR id < $3)
              ORDER BY id DESC LIMIT $4",
            filter.tenant.as_deref(),
            filter.source.as_deref(),
            filter.before,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(RejectedRequest::try_from).collect()
    }

    /// How many match that are not events yet, and the highest number among them.
    pub async fn count_rejected(
        &self,
        selection: &RejectedRequestSelection,
    ) -> Result<(i64, i64), StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "matched!", COALESCE(max(number), 0) AS "up_to!"
                 FROM rejected_requests
                WHERE event_id IS NULL AND ($1::text IS NULL OR tenant = $1)
                  AND ($2::text IS NULL OR source = $2)"#,
            selection.tenant,
            selection.source,
        )
        .fetch_one(&self.admin)
        .await?;
        Ok((row.matched, row.up_to))
    }

    /// Up to `limit` that match and are not events yet, with a number after `after` and up to
    /// `up_to`, in order: number and id.
    pub async fn find_rejected(
        &self,
        selection: &RejectedRequestSelection,
        (after, up_to): (i64, i64),
        limit: i64,
    ) -> Result<Vec<(i64, Uuid)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT number, id FROM rejected_requests
              WHERE event_id IS NULL AND number > $3 AND number <= $4
                AND ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR source = $2)
              ORDER BY number LIMIT $5",
            selection.tenant,
            selection.source,
            after,
            up_to,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().map(|row| (row.number, row.id)).collect())
    }

    /// The rejected requests with these numbers that still exist, in order.
    pub async fn rejected_by_number(
        &self,
        numbers: &[i64],
    ) -> Result<Vec<RejectedRequest>, StoreError> {
        let rows = sqlx::query_as!(
            Columns,
            "SELECT id, tenant, source, provider, reason, peer, size_bytes, received_at,
                    expires_at, event_id, verified_at, verified_by
               FROM rejected_requests WHERE number = ANY($1) ORDER BY number",
            numbers,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(RejectedRequest::try_from).collect()
    }

    /// A rejected request with its sealed content, which an event no longer has; `None` if it does
    /// not exist.
    pub async fn rejected_request(
        &self,
        id: Uuid,
    ) -> Result<Option<(RejectedRequest, Option<Sealed>)>, StoreError> {
        let row = sqlx::query!(
            "SELECT id, tenant, source, provider, reason, peer, size_bytes, key_id, nonce,
                    ciphertext, received_at, expires_at, event_id, verified_at, verified_by
               FROM rejected_requests WHERE id = $1",
            id,
        )
        .fetch_optional(&self.admin)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let sealed = match (row.key_id, row.nonce, row.ciphertext) {
            (Some(key), Some(nonce), Some(ciphertext)) => {
                Some(sealed((TABLE, &id), key, &nonce, ciphertext)?)
            }
            _ => None,
        };
        let request = Columns {
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            provider: row.provider,
            reason: row.reason,
            peer: row.peer,
            size_bytes: row.size_bytes,
            received_at: row.received_at,
            expires_at: row.expires_at,
            event_id: row.event_id,
            verified_at: row.verified_at,
            verified_by: row.verified_by,
        };
        Ok(Some((request.try_into()?, sealed)))
    }

    /// Deletes up to a thousand expired rejected requests; returns how many.
    pub async fn delete_expired_rejected(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM rejected_requests WHERE id IN
                (SELECT id FROM rejected_requests WHERE expires_at <= $1 LIMIT $2)",
            now,
            STEP,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(done.rows_affected())
    }
}

impl Tx<'_> {
    /// Locks up to `limit` rejected requests after `after` that are sealed with another key, by id.
    pub async fn rejected_not_under(
        &mut self,
        key: &KeyId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<SealedRejectedRequest>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, tenant, source, key_id AS "key_id!", nonce AS "nonce!",
                      ciphertext AS "ciphertext!"
                 FROM rejected_requests
                WHERE key_id <> $1 AND ($2::uuid IS NULL OR id > $2)
                ORDER BY id LIMIT $3
                  FOR UPDATE"#,
            key.as_str(),
            after,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let requests = rows.into_iter().map(|row| {
            let label = RejectedRequest::label(&row.tenant, &row.source, row.id);
            let sealed = sealed((TABLE, &row.id), row.key_id, &row.nonce, row.ciphertext)?;
            Ok(SealedRejectedRequest { id: row.id, label, sealed })
        });
        requests.collect()
    }

    /// Replaces the sealed content of a rejected request.
    pub async fn reseal_rejected(&mut self, id: Uuid, sealed: &Sealed) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE rejected_requests SET key_id = $2, nonce = $3, ciphertext = $4 WHERE id = $1",
            id,
            sealed.key_id.as_str(),
            &sealed.nonce[..],
            &sealed.ciphertext[..],
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Records that a rejected request became an event, and deletes its sealed content; false when it
    /// was an event already, or no longer exists.
    pub async fn mark_reprocessed(
        &mut self,
        id: Uuid,
        event: EventId,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE rejected_requests SET event_id = $2, verified_by = $3, verified_at = $4,
                    key_id = NULL, nonce = NULL, ciphertext = NULL
              WHERE id = $1 AND event_id IS NULL",
            id,
            event.0,
            bounded(by),
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Deletes a rejected request that is not an event; false when there is none.
    pub async fn discard_open_rejected(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let done =
            sqlx::query!("DELETE FROM rejected_requests WHERE id = $1 AND event_id IS NULL", id,)
                .execute(self.connection())
                .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Deletes a rejected request; false when there is none.
    pub async fn discard_rejected(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let done = sqlx::query!("DELETE FROM rejected_requests WHERE id = $1", id)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
