//! Requests with an idempotency key: a duplicate with the same key and body gets the first answer
//! again, the same key with another body is a mistake of the sender.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use super::insert::insert;
use super::{
    Committed, EventId, GATE, Inserted, KeyDigest, NewEvent, RetryUntil, Store, StoreError, Tx,
};

/// How long a sender's idempotency key is remembered.
const RETENTION: Duration = Duration::hours(24);

/// What became of a request that names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKeyClaim {
    /// First of its name.
    Inserted(Inserted),
    /// Same name, same body: the answer to the first one stands.
    Replayed {
        /// The event that the first one became.
        event: EventId,
        /// Whether that was quarantined.
        quarantined: bool,
    },
}

/// The answer to a request that names itself.
#[derive(Debug, Clone)]
pub enum RequestKeyAnswer {
    /// It is recorded, now or before.
    Inserted(Committed<RequestKeyClaim>),
    /// Its name was used with another body: nothing was stored.
    KeyReused,
}

impl Store {
    /// Records one event under its own key and under `request`, whose first use has a body of
    /// SHA-256 `fingerprint`. What the database refuses for the moment is tried again, as long as
    /// a commit may take.
    ///
    /// # Errors
    /// As [`GroupWriter::record`](super::GroupWriter::record).
    pub async fn record_keyed(
        &self,
        new: &NewEvent,
        request: KeyDigest,
        fingerprint: [u8; 32],
    ) -> Result<RequestKeyAnswer, StoreError> {
        let ends = Instant::now() + self.commit_deadline;
        let mut again = RetryUntil::until(ends);
        loop {
            let recording = self.record_keyed_once(new, request, fingerprint);
            let recorded = tokio::time::timeout_at(ends, recording).await;
            match recorded.unwrap_or(Err(StoreError::CommitUnknown(None))) {
                Err(error) if again.after(&error).await => {}
                done => return self.one_by_one.note(done),
            }
        }
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
            let recorded = recorded.first().copied().unwrap_or(Inserted::Fresh);
            if recorded != Inserted::Fresh {
                // A duplicate of the same signed request under a new name: the name is not kept,
                // since it is not what was signed.
                forget(tx.connection(), request, event).await?;
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

/// Takes a name back that was claimed in vain.
async fn forget(
    connection: &mut PgConnection,
    request: KeyDigest,
    event: EventId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM event_keys WHERE key = $1 AND event_id = $2",
        request.as_bytes(),
        event.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the name, or finds whose it is.
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
        request.as_bytes(),
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
        GATE,
    )
    .fetch_one(connection)
    .await?;
    Ok(found)
}
