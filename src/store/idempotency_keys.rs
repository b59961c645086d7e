//! Requests to the admin API with an idempotency key: claimed before anything is done, answered
//! afterwards.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Store, StoreError};

/// How long a request is remembered.
const RETENTION: Duration = Duration::hours(24);
/// How long a request may be at work: longer than its deadline and two clocks that part. Beyond it,
/// the process that had it is gone.
const AT_WORK: Duration = Duration::minutes(2);
/// The largest body that is kept, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A request that names itself.
#[derive(Debug, Clone, Copy)]
pub struct IdempotentRequest {
    /// SHA-256 of the caller and their key.
    pub key: [u8; 32],
    /// SHA-256 of what is asked for.
    pub request: [u8; 32],
    /// Whether it may be carried out again where nobody knows what became of it.
    pub repeatable: bool,
}

/// What there is of a request that names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyClaim {
    /// It is the caller's to carry out. To be settled with this.
    Taken(Uuid),
    /// It was carried out.
    Answered {
        /// The status of the answer.
        status: u16,
        /// Its body; `None` where it is not kept.
        body: Option<Vec<u8>>,
    },
    /// The key was used with another request.
    Reused,
    /// It is in flight.
    AtWork,
    /// It was broken off, and must not be carried out again unseen.
    Unknown,
}

impl Store {
    /// Claims a request. Of any number that come at once, one takes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_request(
        &self,
        named: &IdempotentRequest,
        now: OffsetDateTime,
    ) -> Result<IdempotencyClaim, StoreError> {
        let (key, request) = (&named.key[..], &named.request[..]);
        let taken = sqlx::query_scalar!(
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
            now - AT_WORK,
            named.repeatable,
        )
        .fetch_optional(&self.operator)
        .await?;
        if let Some(claim) = taken {
            return Ok(IdempotencyClaim::Taken(claim));
        }
        let row = sqlx::query!(
            "SELECT request, claimed_at, status, body FROM idempotency_keys WHERE key = $1",
            key,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(match row {
            // It was let go just now: whoever comes again takes it.
            None => IdempotencyClaim::AtWork,
            Some(row) if row.request != request => IdempotencyClaim::Reused,
            Some(row) => match row.status {
                Some(status) => {
                    IdempotencyClaim::Answered { status: status.unsigned_abs(), body: row.body }
                }
                None if row.claimed_at <= now - AT_WORK => IdempotencyClaim::Unknown,
                None => IdempotencyClaim::AtWork,
            },
        })
    }

    /// Records that a request was carried out, and what it answered, if that is to be kept and
    /// is not too large.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .execute(&self.operator)
        .await?;
        Ok(())
    }

    /// Lets a request go that was not carried out: it may be asked for again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn release_request(&self, claim: Uuid, key: [u8; 32]) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM idempotency_keys WHERE key = $1 AND claim = $2 AND answered_at IS NULL",
            &key[..],
            claim,
        )
        .execute(&self.operator)
        .await?;
        Ok(())
    }
}
