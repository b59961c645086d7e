//! Inserts a group without duplicates: the usual case, by a cheaper statement than
//! [`insert`](super::insert::insert).
//!
//! It first looks for the group's keys and then inserts without conflict handling: no join with
//! known keys, and one result row. If a key is known, it inserts nothing. If another gateway
//! commits one of the keys in between, the unique index rejects the whole group. In both cases it
//! returns false, and the caller uses [`insert`](super::insert::insert).

use sqlx::PgConnection;

use super::deliveries::interval;
use super::insert::{Columns, Planned};
use super::{NewEvent, StoreError};

const UNIQUE_VIOLATION: &str = "23505";

/// Inserts the group if all of it is new; false if nothing was inserted.
pub(super) async fn insert_new(
    connection: &mut PgConnection,
    group: &[&NewEvent],
    key_retention: time::Duration,
) -> Result<bool, StoreError> {
    // Two groups that share keys wait for each other's rows: a common order prevents deadlocks.
    let mut sorted: Vec<&NewEvent> = group.to_vec();
    sorted.sort_unstable_by_key(|new| new.key);
    let has_duplicates = sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.key == b.key));
    let planned = Planned::of(&sorted);
    if has_duplicates || planned.reasons.iter().any(Option::is_some) {
        return Ok(false);
    }
    let columns = Columns::of(&sorted);
    let retention = interval(key_retention.try_into().unwrap_or_default());

    let inserted = sqlx::query_scalar!(
        r#"
        WITH gate AS MATERIALIZED (
            SELECT NOT EXISTS (SELECT 1 FROM event_keys WHERE key = ANY($2)) AS open
        ), seen AS (
            INSERT INTO event_keys (event_id, key, last_seen_at, expires_at, fingerprint)
            SELECT UNNEST($1::uuid[]), UNNEST($2::uuid[]), UNNEST($3::timestamptz[]),
                   UNNEST($3::timestamptz[]) + $4, UNNEST($24::bytea[])
              FROM gate WHERE open
        ), stored AS (
            INSERT INTO events (
                id, key, received_at, tenant, source, provider, event_type, action, strength, late,
                secret, skew_seconds, occurred_at, headers, claims, body, lane, xact)
            SELECT UNNEST($1::uuid[]), UNNEST($2::uuid[]), UNNEST($3::timestamptz[]),
                   UNNEST($5::text[]), UNNEST($6::text[]), UNNEST($7::text[]), UNNEST($8::text[]),
                   UNNEST($9::text[]), UNNEST($10::text[]), UNNEST($11::bool[]),
                   UNNEST($12::text[]), UNNEST($13::bigint[]), UNNEST($14::timestamptz[]),
                   UNNEST($15::bytea[]), UNNEST($16::bytea[]), UNNEST($17::bytea[]),
                   UNNEST($25::text[]), (SELECT pg_current_xact_id())
              FROM gate WHERE open
        ), planned AS (
            INSERT INTO deliveries (
                event_id, source, handler, destination, lane, lane_blocks, created_at, due_at,
                triggered_by, state)
            SELECT d.event_id, d.source, d.handler, destination_of(d.handler), d.lane, d.lane_blocks,
                   d.created_at, d.created_at, 'arrival', 'ready'
              FROM gate, (
                SELECT UNNEST($18::uuid[]) AS event_id, UNNEST($19::text[]) AS source,
                       UNNEST($20::text[]) AS handler, UNNEST($21::text[]) AS lane,
                       UNNEST($22::bool[]) AS lane_blocks, UNNEST($23::timestamptz[]) AS created_at
              ) AS d
             WHERE open
        )
        SELECT open AS "open!" FROM gate
        "#,
        &columns.ids,
        &columns.keys,
        &columns.received,
        retention,
        &columns.tenants as &[&str],
        &columns.sources as &[&str],
        &columns.providers as &[&str],
        &columns.event_types as &[&str],
        &columns.actions as &[Option<&str>],
        &columns.strengths as &[&str],
        &columns.lates,
        &columns.secrets as &[&str],
        &columns.skews as &[Option<i64>],
        &columns.occurred as &[Option<time::OffsetDateTime>],
        &columns.headers as &[Vec<u8>],
        &columns.claims as &[Option<&[u8]>],
        &columns.bodies as &[&[u8]],
        &planned.events,
        &planned.sources as &[&str],
        &planned.handlers as &[&str],
        &planned.lanes as &[Option<&str>],
        &planned.blocks,
        &planned.created,
        &columns.digests as &[Option<&[u8]>],
        &columns.lanes as &[Option<&str>],
    )
    .fetch_one(connection)
    .await;
    match inserted {
        Ok(inserted) => Ok(inserted),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNIQUE_VIOLATION) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
