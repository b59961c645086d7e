//! Stored events, and reading them.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::word;
use super::{Store, StoreError};
use crate::verify::{Strength, without_credentials};

/// The id of an event: a UUID of version 7, so that it sorts by time of arrival. It is also the
/// idempotency key of everything that is done about the event.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl EventId {
    pub fn new(now: OffsetDateTime) -> Self {
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        // Built by hand to use our generator: the crate's own asks the kernel each time.
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    pub id: EventId,
    pub tenant: String,
    /// The name of its source in the configuration.
    pub source: String,
    pub provider: String,
    pub event_type: String,
    /// The action in the path; an unsigned hint.
    pub action: Option<String>,
    /// The strength of its proof.
    pub strength: Strength,
    /// Whether it was accepted after its token expired, because it was still expected.
    pub late: bool,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    /// The gateway's time minus the signed time at arrival, in seconds.
    pub skew_seconds: Option<i64>,
    pub received_at: OffsetDateTime,
    /// The time reported by the sender.
    pub occurred_at: Option<OffsetDateTime>,
    /// By lower-case name.
    pub headers: Vec<(String, String)>,
    /// The claims of the verified token, as JSON.
    pub claims: Option<Bytes>,
    /// For a chunked payload: its JSON without content and chunk number.
    pub envelope: Option<Bytes>,
    /// The exact bytes received; for a chunked payload, the decoded file.
    pub body: Bytes,
}

impl StoredEvent {
    /// The body as shown to applications and users, without credentials that a sender forwards in
    /// it: no scope entitles the reader to them.
    pub fn shown_body(&self) -> Bytes {
        without_credentials(&self.event_type, self.action.as_deref(), &self.body)
    }
}

/// The origin of a delivery, for its receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// `None` if the event is only read.
    pub delivery: Option<i64>,
    pub replay: bool,
    /// The original event, if an operator created this one by an edit.
    pub edited_from: Option<EventId>,
}

/// Bodies up to this size are read with their row. Larger ones are read in slices of this size, so
/// that memory holds the body once instead of three times.
const SLICE: i32 = 4 * 1024 * 1024;

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
        let row = sqlx::query!(
            r#"SELECT tenant, source, provider, event_type, action, strength, late, secret,
                      skew_seconds, received_at, occurred_at, headers, claims, envelope,
                      octet_length(body) AS "size!", substring(body FROM 1 FOR $2) AS "body!",
                      edited_from, (SELECT triggered_by = 'replay' FROM deliveries
                                     WHERE id = $3) AS replay
                 FROM events WHERE id = $1 AND erased_at IS NULL"#,
            id.0,
            SLICE,
            delivery,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let inconsistent =
            |column| StoreError::Inconsistent { table: "events", column, row: id.to_string() };

        let size = usize::try_from(row.size).map_err(|_| inconsistent("body"))?;
        let mut body = row.body;
        body.reserve_exact(size.saturating_sub(body.len()));
        while body.len() < size {
            let from = i32::try_from(body.len() + 1).map_err(|_| inconsistent("body"))?;
            let slice = sqlx::query_scalar!(
                r#"SELECT substring(body FROM $2 FOR $3) AS "slice!" FROM events WHERE id = $1"#,
                id.0,
                from,
                SLICE,
            )
            .fetch_one(&mut *connection)
            .await?;
            if slice.is_empty() {
                return Err(inconsistent("body"));
            }
            body.extend_from_slice(&slice);
        }
        let edited_from = match row.edited_from {
            Some(from) => Some(original_of(&mut connection, from).await?),
            None => None,
        };
        let origin = Origin { delivery, replay: row.replay.unwrap_or_default(), edited_from };
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
            body: Bytes::from(body),
        };
        Ok(Some((event, origin)))
    }
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

pub(super) fn headers_to_json(headers: &[(String, String)]) -> Vec<u8> {
    let mut json = Vec::with_capacity(64);
    let mut serializer = serde_json::Serializer::new(&mut json);
    // Writing to memory does not fail.
    let written = serializer.collect_map(headers.iter().map(|(name, value)| (name, value)));
    debug_assert!(written.is_ok());
    json
}

pub(super) fn headers_from_json(json: &[u8]) -> Option<Vec<(String, String)>> {
    let map: std::collections::BTreeMap<String, String> = serde_json::from_slice(json).ok()?;
    Some(map.into_iter().collect())
}
