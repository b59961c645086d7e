//! Idempotency keys of admin API requests: claimed before the request is carried out, answered
//! afterwards.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Store, StoreError};

/// How long a key is remembered.
const RETENTION: Duration = Duration::hours(24);
/// The maximum duration of a request: longer than its deadline and the difference of two clocks.
/// After that, its process is gone.
const MAX_DURATION: Duration = Duration::minutes(2);
/// The maximum size of a stored response body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A request with an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct IdempotentRequest {
    /// SHA-256 of the caller and their key.
    pub key: [u8; 32],
    /// SHA-256 of the method, path and body.
    pub request: [u8; 32],
    /// Whether it may be repeated if its outcome is unknown.
    pub repeatable: bool,
}

/// The result of claiming a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyClaim {
    /// Claimed by this request, which must answer or release it with this id.
    Claimed(Uuid),
    /// Completed earlier.
    Completed {
        status: u16,
        /// `None` if it was not stored.
        body: Option<Vec<u8>>,
    },
    Reused,
    InProgress,
    /// Interrupted: it may have taken effect, so it must not be repeated blindly.
    Unknown,
}

impl Store {
    /// Claims a key. Of several concurrent requests, one gets it.
    pub async fn claim_request(
        &self,
        request_key: &IdempotentRequest,
        now: OffsetDateTime,
    ) -> Result<IdempotencyClaim, StoreError> {
        let (key, request) = (&request_key.key[..], &request_key.request[..]);
        let claimed = sqlx::query_scalar!(
            r#"
            INSERT INTO idempotency_keys AS r (key, request, claim, claimed_at, expires_at)
            VALUES ($1, $2, gen_random_uuid(), $3, $4)
            ON CONFLICT (key) DO UPDATE SET
                request = excluded.request, claim = excluded.claim,
                claimed_at = excluded.claimed_at, expires_at = excluded.expires_at,
                answered_at = NULL, status = NULL, body = NULL
             WHERE r.expires_at <= $3
                OR ($6 AND r.answered_at IS NULL AND r.request = $2 AND r.claimed_at <= $5)
            RETURNING claim
            "#,
            key,
            request,
            now,
            now + RETENTION,
            now - MAX_DURATION,
            request_key.repeatable,
        )
        .fetch_optional(&self.admin)
        .await?;
        if let Some(claim) = claimed {
            return Ok(IdempotencyClaim::Claimed(claim));
        }
        let row = sqlx::query!(
            "SELECT request, claimed_at, status, body FROM idempotency_keys WHERE key = $1",
            key,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(match row {
            // It was released just now: a retry can claim it.
            None => IdempotencyClaim::InProgress,
            Some(row) if row.request != request => IdempotencyClaim::Reused,
            Some(row) => match row.status {
                Some(status) => {
                    IdempotencyClaim::Completed { status: status.unsigned_abs(), body: row.body }
                }
                None if row.claimed_at <= now - MAX_DURATION => IdempotencyClaim::Unknown,
                None => IdempotencyClaim::InProgress,
            },
        })
    }

    /// Records the response of a completed request, with its body if it is to be stored and not too
    /// large.
    pub async fn answer_request(
        &self,
        claim: Uuid,
        key: [u8; 32],
        (status, body): (u16, Option<&[u8]>),
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE idempotency_keys SET answered_at = $3, status = $4, body = $5
              WHERE key = $1 AND claim = $2",
            &key[..],
            claim,
            now,
            i16::try_from(status).unwrap_or(200),
            body.filter(|body| body.len() <= MAX_BODY),
        )
        .execute(&self.admin)
        .await?;
        Ok(())
    }

    /// Releases a request that was not carried out, so that it can be retried.
    pub async fn release_request(&self, claim: Uuid, key: [u8; 32]) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM idempotency_keys WHERE key = $1 AND claim = $2 AND answered_at IS NULL",
            &key[..],
            claim,
        )
        .execute(&self.admin)
        .await?;
        Ok(())
    }
}
