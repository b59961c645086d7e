//! Inserts events, their keys and their deliveries, in one statement per group.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::events::headers_to_json;
use super::{DeathReason, EventId, StoreError, StoredEvent, bounded};
use crate::verify::{EventKey, Lane, Quarantine};

/// An event to insert, with its plan.
#[derive(Debug)]
pub struct NewEvent {
    pub event: StoredEvent,
    /// The deduplication key.
    pub key: KeyDigest,
    /// The SHA-256 of its body, unless the key already depends on it.
    pub digest: Option<[u8; 32]>,
    /// The lane of all its deliveries.
    pub lane: Option<Lane>,
    pub plan: Plan,
}

/// What to do with an event.
#[derive(Debug, Clone)]
pub enum Plan {
    Deliver {
        /// Stored handler names.
        handlers: Vec<&'static str>,
        /// Whether a dead letter blocks its lane.
        lane_blocks: bool,
    },
    /// Store it as a dead letter.
    Quarantine { reason: DeathReason, detail: String },
}

/// The handler name of quarantined requests: no handler has seen them.
pub const QUARANTINE: &str = "quarantine";

/// The indexed form of a key: half of its SHA-256, scoped by tenant and source. Stored as a UUID,
/// which PostgreSQL compares and indexes most cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(Uuid);

impl KeyDigest {
    /// The digest of an event's key; a new one each time for [`EventKey::EveryRequest`].
    pub fn of(tenant: &str, source: &str, key: &EventKey) -> Self {
        match key {
            EventKey::Signed(id) | EventKey::Once(id) => Self::scoped(tenant, source, b"id", id),
            EventKey::BodyDigest(digest) => Self::scoped(tenant, source, b"body", digest),
            EventKey::EveryRequest => {
                Self::scoped(tenant, source, b"random", &rand::random::<[u8; 32]>())
            }
        }
    }

    /// The digest of an unprocessable request, by reason and the SHA-256 of its body.
    pub fn of_quarantined(
        tenant: &str,
        source: &str,
        reason: Quarantine,
        digest: &[u8; 32],
    ) -> Self {
        let key = [reason.as_str().as_bytes(), b"\0", digest].concat();
        Self::scoped(tenant, source, b"quarantined", &key)
    }

    pub fn of_request(tenant: &str, source: &str, key: &[u8; 32]) -> Self {
        Self::scoped(tenant, source, b"request", key)
    }

    pub fn as_uuid(self) -> Uuid {
        self.0
    }

    fn scoped(tenant: &str, source: &str, space: &[u8], key: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [tenant.as_bytes(), source.as_bytes(), space, key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let half = digest.first_chunk().copied().unwrap_or_default();
        Self(Uuid::from_bytes(half))
    }
}

/// The outcome of one event of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// New, and now stored.
    New,
    /// A duplicate of this event.
    Duplicate(EventId),
    /// Its key was used before with another body.
    Differs {
        first: EventId,
        /// The SHA-256 of the first body.
        digest: [u8; 32],
    },
}

/// Inserts keys, the events with a new key, and their deliveries.
pub(super) async fn insert(
    connection: &mut PgConnection,
    group: &[&NewEvent],
    key_retention: time::Duration,
) -> Result<Vec<Inserted>, StoreError> {
    // Two groups that share keys wait for each other's rows: a common order prevents deadlocks. A
    // key that occurs twice in the group is inserted once.
    let mut sorted: Vec<&NewEvent> = group.to_vec();
    sorted.sort_by_key(|new| new.key);
    sorted.dedup_by_key(|new| new.key);
    let times_seen = |key: KeyDigest| {
        i32::try_from(group.iter().filter(|new| new.key == key).count()).unwrap_or(i32::MAX)
    };
    // Counting is quadratic, so only if there are repeats.
    let repeated = sorted.len() < group.len();

    let columns = Columns::of(&sorted);
    let seen: Vec<i32> =
        sorted.iter().map(|new| if repeated { times_seen(new.key) } else { 1 }).collect();
    let expires: Vec<OffsetDateTime> =
        sorted.iter().map(|new| new.event.received_at + key_retention).collect();
    let planned = Planned::of(&sorted);

    let rows = sqlx::query!(
        r#"
        WITH known AS (
            INSERT INTO event_keys AS k
                (event_id, key, last_seen_at, seen_count, expires_at, fingerprint)
            SELECT UNNEST($1::uuid[]), UNNEST($2::uuid[]), UNNEST($3::timestamptz[]),
                   UNNEST($4::int[]), UNNEST($5::timestamptz[]), UNNEST($27::bytea[])
            ON CONFLICT (key) DO UPDATE
               SET seen_count = k.seen_count + excluded.seen_count,
                   last_seen_at = GREATEST(k.last_seen_at, excluded.last_seen_at),
                   other_bodies = k.other_bodies
                       + CASE WHEN k.fingerprint <> excluded.fingerprint
                              THEN excluded.seen_count ELSE 0 END
            RETURNING k.key, k.event_id, k.fingerprint
        ), stored AS (
            INSERT INTO events (
                id, key, received_at, tenant, source, provider, event_type, action, strength, late,
                secret, skew_seconds, occurred_at, headers, claims, body, lane)
            SELECT i.* FROM known JOIN (
                SELECT UNNEST($1::uuid[]) AS id, UNNEST($2::uuid[]), UNNEST($3::timestamptz[]),
                       UNNEST($6::text[]), UNNEST($7::text[]), UNNEST($8::text[]),
                       UNNEST($9::text[]), UNNEST($10::text[]), UNNEST($11::text[]),
                       UNNEST($12::bool[]), UNNEST($13::text[]), UNNEST($14::bigint[]),
                       UNNEST($15::timestamptz[]), UNNEST($16::bytea[]), UNNEST($17::bytea[]),
                       UNNEST($18::bytea[]), UNNEST($28::text[])
              ) AS i ON i.id = known.event_id
        ), planned AS (
            INSERT INTO deliveries (
                event_id, source, handler, destination, triggered_by, lane, lane_blocks, state,
                created_at, due_at, finished_at, death_reason, last_error)
            SELECT d.event_id, d.source, d.handler, destination_of(d.handler), 'arrival', d.lane, d.lane_blocks,
                   CASE WHEN d.death_reason IS NULL THEN 'ready' ELSE 'dead' END,
                   d.created_at, d.created_at,
                   CASE WHEN d.death_reason IS NOT NULL THEN d.created_at END,
                   d.death_reason, d.last_error
              FROM known JOIN (
                SELECT UNNEST($19::uuid[]) AS event_id, UNNEST($20::text[]) AS source,
                       UNNEST($21::text[]) AS handler, UNNEST($22::text[]) AS lane,
                       UNNEST($23::bool[]) AS lane_blocks,
                       UNNEST($24::timestamptz[]) AS created_at,
                       UNNEST($25::text[]) AS death_reason, UNNEST($26::text[]) AS last_error
              ) AS d ON d.event_id = known.event_id
        )
        SELECT key AS "key!", event_id AS "event_id!", fingerprint FROM known
        "#,
        &columns.ids,
        &columns.keys,
        &columns.received,
        &seen,
        &expires,
        &columns.tenants as &[&str],
        &columns.sources as &[&str],
        &columns.providers as &[&str],
        &columns.event_types as &[&str],
        &columns.actions as &[Option<&str>],
        &columns.strengths as &[&str],
        &columns.lates,
        &columns.secrets as &[&str],
        &columns.skews as &[Option<i64>],
        &columns.occurred as &[Option<OffsetDateTime>],
        &columns.headers as &[Vec<u8>],
        &columns.claims as &[Option<&[u8]>],
        &columns.bodies as &[&[u8]],
        &planned.events,
        &planned.sources as &[&str],
        &planned.handlers as &[&str],
        &planned.lanes as &[Option<&str>],
        &planned.blocks,
        &planned.created,
        &planned.reasons as &[Option<&str>],
        &planned.errors as &[Option<String>],
        &columns.digests as &[Option<&[u8]>],
        &columns.lanes as &[Option<&str>],
    )
    .fetch_all(connection)
    .await?;

    let known: HashMap<Uuid, (Uuid, Option<[u8; 32]>)> = rows
        .iter()
        .map(|row| {
            let digest = row.fingerprint.as_ref().and_then(|digest| digest[..].try_into().ok());
            (row.key, (row.event_id, digest))
        })
        .collect();
    group
        .iter()
        .map(|new| match known.get(&new.key.as_uuid()) {
            Some((id, _)) if *id == new.event.id.0 => Ok(Inserted::New),
            Some((id, Some(digest))) if new.digest.is_some_and(|own| own != *digest) => {
                Ok(Inserted::Differs { first: EventId(*id), digest: *digest })
            }
            Some((id, _)) => Ok(Inserted::Duplicate(EventId(*id))),
            None => Err(StoreError::Inconsistent {
                table: "event_keys",
                column: "key",
                row: new.event.id.to_string(),
            }),
        })
        .collect()
}

/// The events of a group, by column.
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) keys: Vec<Uuid>,
    pub(super) tenants: Vec<&'a str>,
    pub(super) sources: Vec<&'a str>,
    pub(super) providers: Vec<&'a str>,
    pub(super) event_types: Vec<&'a str>,
    pub(super) actions: Vec<Option<&'a str>>,
    pub(super) strengths: Vec<&'a str>,
    pub(super) lates: Vec<bool>,
    pub(super) secrets: Vec<&'a str>,
    pub(super) skews: Vec<Option<i64>>,
    pub(super) received: Vec<OffsetDateTime>,
    pub(super) occurred: Vec<Option<OffsetDateTime>>,
    pub(super) headers: Vec<Vec<u8>>,
    pub(super) claims: Vec<Option<&'a [u8]>>,
    pub(super) bodies: Vec<&'a [u8]>,
    pub(super) digests: Vec<Option<&'a [u8]>>,
    pub(super) lanes: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(group: &[&'a NewEvent]) -> Self {
        fn column<'a, T>(group: &[&'a NewEvent], of: impl Fn(&'a StoredEvent) -> T) -> Vec<T> {
            group.iter().map(|new| of(&new.event)).collect()
        }
        Self {
            ids: column(group, |event| event.id.0),
            keys: group.iter().map(|new| new.key.as_uuid()).collect(),
            tenants: column(group, |event| event.tenant.as_str()),
            sources: column(group, |event| event.source.as_str()),
            providers: column(group, |event| event.provider.as_str()),
            event_types: column(group, |event| event.event_type.as_str()),
            actions: column(group, |event| event.action.as_deref()),
            strengths: column(group, |event| event.strength.as_str()),
            lates: column(group, |event| event.late),
            secrets: column(group, |event| event.secret.as_str()),
            skews: column(group, |event| event.skew_seconds),
            received: column(group, |event| event.received_at),
            occurred: column(group, |event| event.occurred_at),
            headers: column(group, |event| headers_to_json(&event.headers)),
            claims: column(group, |event| event.claims.as_deref()),
            bodies: column(group, |event| event.body.as_ref()),
            digests: group.iter().map(|new| new.digest.as_ref().map(|d| &d[..])).collect(),
            lanes: group.iter().map(|new| new.lane.as_ref().map(Lane::as_str)).collect(),
        }
    }
}

/// The deliveries of a group, by column.
#[derive(Default)]
pub(super) struct Planned<'a> {
    pub(super) events: Vec<Uuid>,
    pub(super) sources: Vec<&'a str>,
    pub(super) handlers: Vec<&'a str>,
    pub(super) lanes: Vec<Option<&'a str>>,
    pub(super) blocks: Vec<bool>,
    pub(super) created: Vec<OffsetDateTime>,
    pub(super) reasons: Vec<Option<&'a str>>,
    pub(super) errors: Vec<Option<String>>,
}

impl<'a> Planned<'a> {
    pub(super) fn of(group: &[&'a NewEvent]) -> Self {
        let mut planned = Self::default();
        for new in group {
            planned.push(&new.event, new.lane.as_ref(), &new.plan);
        }
        planned
    }

    fn push(&mut self, event: &'a StoredEvent, lane: Option<&'a Lane>, plan: &'a Plan) {
        let mut row = |handler, blocks, reason, error| {
            self.events.push(event.id.0);
            self.sources.push(&event.source);
            self.handlers.push(handler);
            self.lanes.push(lane.map(Lane::as_str));
            self.blocks.push(blocks);
            self.created.push(event.received_at);
            self.reasons.push(reason);
            self.errors.push(error);
        };
        match plan {
            Plan::Deliver { handlers, lane_blocks } => {
                for handler in handlers {
                    row(*handler, *lane_blocks, None, None);
                }
            }
            Plan::Quarantine { reason, detail } => {
                row(QUARANTINE, false, Some(reason.as_str()), Some(bounded(detail)));
            }
        }
    }
}
