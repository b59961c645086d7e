//! Idempotency keys of senders: a duplicate with the same key and body gets the first response
//! again, and the same key with another body is an error of the sender.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::insert::insert;
use super::{Committed, EventId, Inserted, KeyDigest, NewEvent, QUARANTINE, Store, StoreError, Tx};

/// How long a sender's idempotency key is remembered.
const RETENTION: Duration = Duration::hours(24);

/// The outcome of a request with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKeyClaim {
    /// The first request with this key.
    Inserted(Inserted),
    /// Same key and same body: the first response is repeated.
    Replayed {
        /// The event of the first request.
        event: EventId,
        quarantined: bool,
    },
}

/// The result of recording a request with an idempotency key.
#[derive(Debug, Clone)]
pub enum RequestKeyAnswer {
    /// Recorded, now or by an earlier request.
    Inserted(Committed<RequestKeyClaim>),
    /// The key was used with another body. Nothing was stored.
    KeyReused,
}

impl Store {
    /// Records one event under its own key and under `request`, which is bound to the body with the
    /// SHA-256 `fingerprint`. Temporary errors are retried within the commit deadline.
    pub async fn record_keyed(
        &self,
        new: &NewEvent,
        request: KeyDigest,
        fingerprint: [u8; 32],
    ) -> Result<RequestKeyAnswer, StoreError> {
        self.record_alone(|| self.record_keyed_once(new, request, fingerprint)).await
    }

    async fn record_keyed_once(
        &self,
        new: &NewEvent,
        request: KeyDigest,
        fingerprint: [u8; 32],
    ) -> Result<RequestKeyAnswer, StoreError> {
        let mut tx = Tx::begin(&self.ingest).await?;
        let first = claim(tx.connection(), new, request, fingerprint).await?;
        let (event, first_body) = (EventId(first.0), first.1);
        let keyed = if event == new.event.id {
            let recorded = insert(tx.connection(), &[new], self.key_retention).await?;
            let recorded = recorded.first().copied().unwrap_or(Inserted::New);
            if recorded != Inserted::New {
                // A duplicate of the same signed request under a new key: the new key is not
                // stored, since it was not signed.
                release(tx.connection(), request, event).await?;
            }
            RequestKeyClaim::Inserted(recorded)
        } else if first_body == fingerprint {
            let quarantined = is_quarantined(tx.connection(), event).await?;
            RequestKeyClaim::Replayed { event, quarantined }
        } else {
            tx.commit(()).await?;
            return Ok(RequestKeyAnswer::KeyReused);
        };
        Ok(RequestKeyAnswer::Inserted(tx.commit(keyed).await?))
    }
}

/// Releases an unused key.
async fn release(
    connection: &mut PgConnection,
    request: KeyDigest,
    event: EventId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM event_keys WHERE key = $1 AND event_id = $2",
        request.as_uuid(),
        event.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Claims the key, or finds its first request.
async fn claim(
    connection: &mut PgConnection,
    new: &NewEvent,
    request: KeyDigest,
    fingerprint: [u8; 32],
) -> Result<(uuid::Uuid, Vec<u8>), StoreError> {
    let now: OffsetDateTime = new.event.received_at;
    let row = sqlx::query!(
        r#"
        INSERT INTO event_keys AS k (key, event_id, fingerprint, last_seen_at, expires_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO UPDATE SET
            event_id = CASE WHEN k.expires_at <= $4 THEN excluded.event_id ELSE k.event_id END,
            fingerprint =
                CASE WHEN k.expires_at <= $4 THEN excluded.fingerprint ELSE k.fingerprint END,
            expires_at = CASE WHEN k.expires_at <= $4 THEN excluded.expires_at ELSE k.expires_at END,
            seen_count = k.seen_count + 1,
            last_seen_at = $4
        RETURNING event_id, fingerprint
        "#,
        request.as_uuid(),
        new.event.id.0,
        &fingerprint[..],
        now,
        now + RETENTION,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.event_id, row.fingerprint.unwrap_or_default()))
}

async fn is_quarantined(connection: &mut PgConnection, event: EventId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM deliveries WHERE event_id = $1 AND handler = $2) AS "found!""#,
        event.0,
        QUARANTINE,
    )
    .fetch_one(connection)
    .await?;
    Ok(found)
}
