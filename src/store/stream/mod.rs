//! The change stream: received events, delivery attempts and operator actions, in the order in
//! which their transactions began.
//!
//! - A [`Change`] is one row that is never changed again: an event, an attempt or an operator
//!   action. Each row has the id of the transaction that inserted it.
//! - A [`Position`] is the place of a change in the stream.
//! - The *horizon* is the oldest transaction that is still open. Only rows before it are read. No
//!   row can appear there later, so a reader that resumes after its last position misses nothing,
//!   whichever gateway wrote the row and whichever one it asks.
//!
//! Ids of events and deliveries would not do: they are assigned before the commit, and the row with
//! the lower id may be committed later, for a payload in chunks an hour later.

mod operator_action;
mod position;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

pub use operator_action::OperatorAction;
pub use position::{BadPosition, Position};
use position::{Place, Row};

use super::reason::UnknownReason;
use super::{DeathReason, EventId, Outcome, QUARANTINE, Store, StoreError};

/// What a change is about: an event, an attempt or an operator action.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ChangeKind {
    /// An event was received.
    Arrived,
    /// An operator created an event by editing another one.
    Edited,
    /// An authentic request that cannot be processed was received.
    Quarantined,
    /// A delivery succeeded.
    Done,
    /// An attempt failed and will be repeated.
    Retry,
    /// An attempt failed and does not count: its destination accepts nothing at present.
    Deferred,
    /// An attempt ended without a result and will be repeated.
    Lost,
    /// A delivery became a dead letter.
    Dead,
    /// An operator replayed a delivery.
    Replayed,
    /// An operator had an event delivered again, or for the first time.
    Resent,
    /// An operator made a waiting delivery due.
    DueNow,
    /// An operator discarded a dead letter.
    Discarded,
    /// An operator unblocked the lane of a dead letter.
    Unblocked,
}

impl ChangeKind {
    /// Its word in the stream.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A change. It is committed and final.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its place in the stream.
    #[serde(skip)]
    pub position: Position,
    /// The tenant of the source; `None` if the event was deleted.
    #[serde(skip)]
    pub tenant: Option<String>,
    /// What happened.
    pub change: ChangeKind,
    /// When it happened, by the gateway's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The source of the event.
    pub source: String,
    /// The event type; null if the event was deleted.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// The event.
    pub event: EventId,
    /// The original event, if an operator created this one by an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_from: Option<EventId>,
    /// The delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<i64>,
    /// The handler or destination of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The number of the attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// The outcome of a successful delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why the delivery is dead or the event quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeathReason>,
    /// The first line of the error, at most 300 characters; only with the scope `payload:read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The new delivery, for a replay or a resend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<i64>,
    /// The user, for an operator action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// Some changes, in order.
#[derive(Debug)]
pub struct Changes {
    pub changes: Vec<Change>,
    /// Where to continue; `None` if nothing was read.
    pub last: Option<Position>,
    /// Whether there may be more.
    pub more: bool,
}

/// How far the stream can be read.
#[derive(Debug, Clone)]
pub struct Horizon {
    /// The oldest open transaction, or the next one to begin.
    pub transaction: String,
    /// Whether it hides committed rows.
    pub blocked: bool,
    /// Its session, if the database shows it to our role.
    pub owner: Option<String>,
}

impl Store {
    /// Up to `limit` changes after a position.
    pub async fn changes(&self, after: Position, limit: i64) -> Result<Changes, StoreError> {
        let bounds = after.bounds();
        // Each part walks its index on `xact` and stops early; only the returned rows are joined.
        // The joined columns were written with the row, or are never written again.
        let rows = sqlx::query!(
            r#"
            WITH horizon AS MATERIALIZED (
                SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin
            ), arrivals AS MATERIALIZED (
                SELECT xact, id, received_at, tenant, source, event_type, edited_from FROM events
                 WHERE (xact, id) > ($1::text::xid8, $2::uuid)
                   AND xact < (SELECT xmin FROM horizon)
                 ORDER BY xact, id LIMIT $6
            ), runs AS MATERIALIZED (
                SELECT xact, delivery_id, number, finished_at, result, error FROM attempts
                 WHERE (xact, delivery_id, number) > ($1::text::xid8, $3::bigint, $4::int)
                   AND xact < (SELECT xmin FROM horizon)
                 ORDER BY xact, delivery_id, number LIMIT $6
            ), actions AS MATERIALIZED (
                SELECT xact, id, at, actor, action, delivery_id, replay_id FROM operator_actions
                 WHERE (xact, id) > ($1::text::xid8, $5::bigint)
                   AND xact < (SELECT xmin FROM horizon)
                 ORDER BY xact, id LIMIT $6
            ), merged AS (
                SELECT xact, 0 AS place, id AS uuid, 0::bigint AS a, 0 AS b FROM arrivals
                 UNION ALL
                SELECT xact, 1, '00000000-0000-0000-0000-000000000000', delivery_id, number
                  FROM runs
                 UNION ALL
                SELECT xact, 2, '00000000-0000-0000-0000-000000000000', id, 0 FROM actions
                 ORDER BY xact, place, uuid, a, b LIMIT $6
            )
            SELECT m.xact::text::bigint AS "xact!", m.place AS "place!", m.uuid AS "uuid!",
                   m.a AS "a!", m.b AS "b!",
                   COALESCE(v.received_at, t.finished_at, o.at) AS "at!",
                   COALESCE(t.result, o.action) AS word,
                   COALESCE(v.tenant, e.tenant) AS tenant,
                   COALESCE(v.source, d.source) AS source,
                   COALESCE(v.event_type, e.event_type) AS event_type,
                   COALESCE(v.id, d.event_id) AS event_id,
                   COALESCE(d.id, g.id) AS delivery_id, COALESCE(d.handler, g.handler) AS handler,
                   CASE WHEN t.result = 'done' THEN d.outcome END AS outcome,
                   -- The last attempt, when lost, makes the delivery a dead letter.
                   CASE WHEN m.place = 0 THEN g.death_reason
                        WHEN t.result = 'dead' OR (t.result = 'lost' AND t.number = d.attempts
                                                   AND d.state = 'dead')
                             OR o.action = 'dead_letter'
                        THEN d.death_reason END AS reason,
                   left(split_part(COALESCE(t.error, g.last_error,
                                            CASE WHEN o.action = 'dead_letter' THEN d.last_error END),
                                   E'\n', 1), 300) AS error,
                   COALESCE(v.edited_from, e.edited_from) AS edited_from,
                   o.replay_id AS "replay_id?", o.actor AS "actor?"
              FROM merged m
              LEFT JOIN arrivals v ON m.place = 0 AND v.id = m.uuid
              LEFT JOIN runs t ON m.place = 1 AND t.delivery_id = m.a AND t.number = m.b
              LEFT JOIN actions o ON m.place = 2 AND o.id = m.a
              LEFT JOIN LATERAL (
                    SELECT id, event_id, source, handler, outcome, state, attempts, death_reason,
                           last_error
                      FROM deliveries WHERE id = COALESCE(t.delivery_id, o.delivery_id)) d ON true
              LEFT JOIN LATERAL (
                    SELECT id, handler, death_reason, last_error FROM deliveries
                     WHERE event_id = v.id AND handler = $7 AND triggered_by = 'arrival') g ON true
              LEFT JOIN LATERAL (SELECT tenant, event_type, edited_from FROM events
                                  WHERE id = d.event_id) e ON true
             ORDER BY m.xact, m.place, m.uuid, m.a, m.b
            "#,
            after.xact.to_string(),
            bounds.event,
            bounds.delivery,
            bounds.number,
            bounds.action,
            limit,
            QUARANTINE,
        )
        .fetch_all(&self.admin)
        .await?;
        let more = rows.len() as u64 >= limit.unsigned_abs();
        let mut last = None;
        let mut changes = Vec::with_capacity(rows.len());
        for row in rows {
            let place = Row { place: row.place, uuid: row.uuid, a: row.a, b: row.b };
            let position = Position { xact: row.xact, place: Place::of(&place)? };
            last = Some(position);
            // A delivery that has been deleted meanwhile is left out.
            let (Some(event), Some(source)) = (row.event_id, row.source) else { continue };
            let kind = match kind(position.place, row.word.as_deref(), row.reason.is_some()) {
                Some(ChangeKind::Arrived) if row.edited_from.is_some() => Some(ChangeKind::Edited),
                kind => kind,
            };
            let inconsistent = |column| position.inconsistent(column);
            let outcome = row.outcome.map(|word| word.parse::<Outcome>()).transpose();
            let reason = row.reason.map(|word| word.parse::<DeathReason>()).transpose();
            changes.push(Change {
                position,
                tenant: row.tenant,
                change: kind.ok_or_else(|| inconsistent("result"))?,
                at: row.at,
                source,
                event_type: row.event_type,
                event: EventId(event),
                edited_from: row.edited_from.map(EventId),
                delivery: row.delivery_id,
                handler: row.handler,
                attempt: matches!(position.place, Place::Attempt(..)).then_some(row.b),
                outcome: outcome.map_err(|_: strum::ParseError| inconsistent("outcome"))?,
                reason: reason.map_err(|_: UnknownReason| inconsistent("reason"))?,
                error: row.error,
                replay: row.replay_id,
                actor: row.actor,
            });
        }
        Ok(Changes { changes, last, more })
    }

    /// The end of the stream: everything that commits from now on comes after it.
    pub async fn stream_end(&self) -> Result<Position, StoreError> {
        let row = sqlx::query!(
            r#"
            WITH horizon AS MATERIALIZED (
                SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin
            )
            SELECT xact::text::bigint AS "xact!", place AS "place!", uuid AS "uuid!", a AS "a!",
                   b AS "b!"
              FROM (
                (SELECT xact, 0 AS place, id AS uuid, 0::bigint AS a, 0 AS b FROM events
                  WHERE xact < (SELECT xmin FROM horizon) ORDER BY xact DESC, id DESC LIMIT 1)
                 UNION ALL
                (SELECT xact, 1, '00000000-0000-0000-0000-000000000000', delivery_id, number
                   FROM attempts WHERE xact < (SELECT xmin FROM horizon)
                  ORDER BY xact DESC, delivery_id DESC, number DESC LIMIT 1)
                 UNION ALL
                (SELECT xact, 2, '00000000-0000-0000-0000-000000000000', id, 0
                   FROM operator_actions WHERE xact < (SELECT xmin FROM horizon)
                  ORDER BY xact DESC, id DESC LIMIT 1)
              ) AS ends
             ORDER BY xact DESC, place DESC LIMIT 1
            "#,
        )
        .fetch_optional(&self.admin)
        .await?;
        let Some(row) = row else { return Ok(Position::START) };
        let place = Row { place: row.place, uuid: row.uuid, a: row.a, b: row.b };
        Ok(Position { xact: row.xact, place: Place::of(&place)? })
    }

    /// Whether a position belongs to this database and all rows after it are still there. A
    /// position names a row: if that one was deleted, others may have been deleted too.
    pub async fn is_valid_position(&self, position: Position) -> Result<bool, StoreError> {
        if position == Position::START {
            return Ok(true);
        }
        let xact = position.xact.to_string();
        let (mut event, mut attempt, mut action) = (Uuid::nil(), (0, 0), 0);
        match position.place {
            Place::Event(id) => event = id,
            Place::Attempt(delivery, number) => attempt = (delivery, number),
            Place::Action(id) => action = id,
        }
        let known = sqlx::query_scalar!(
            r#"
            SELECT $1::text::xid8 < pg_snapshot_xmin(pg_current_snapshot()) AND (
                EXISTS (SELECT 1 FROM events WHERE id = $2 AND xact = $1::text::xid8)
                OR EXISTS (SELECT 1 FROM attempts
                            WHERE delivery_id = $3 AND number = $4 AND xact = $1::text::xid8)
                OR EXISTS (SELECT 1 FROM operator_actions WHERE id = $5 AND xact = $1::text::xid8)
            ) AS "known!"
            "#,
            xact,
            event,
            attempt.0,
            attempt.1,
            action,
        )
        .fetch_one(&self.admin)
        .await?;
        Ok(known)
    }

    /// How far the stream can be read, and which transaction blocks the rest.
    pub async fn horizon(&self) -> Result<Horizon, StoreError> {
        let row = sqlx::query!(
            r#"
            WITH horizon AS MATERIALIZED (
                SELECT pg_snapshot_xmin(now.snapshot) AS xmin, pg_snapshot_xmax(now.snapshot) AS xmax
                  FROM (SELECT pg_current_snapshot() AS snapshot) AS now
            )
            -- Rows that no transaction of this server can have written were restored from another
            -- one: nothing blocks them.
            SELECT h.xmin::text AS "xmin!",
                   EXISTS (SELECT 1 FROM events WHERE xact >= h.xmin AND xact < h.xmax)
                   OR EXISTS (SELECT 1 FROM attempts WHERE xact >= h.xmin AND xact < h.xmax)
                   OR EXISTS (SELECT 1 FROM operator_actions
                               WHERE xact >= h.xmin AND xact < h.xmax) AS "blocked!",
                   (SELECT format('pid %s, %s, database %s', pid, application_name, datname)
                      FROM pg_stat_activity WHERE backend_xid IS NOT NULL
                     ORDER BY age(backend_xid) DESC LIMIT 1) AS owner
              FROM horizon h
            "#,
        )
        .fetch_one(&self.admin)
        .await?;
        Ok(Horizon { transaction: row.xmin, blocked: row.blocked, owner: row.owner })
    }
}

fn kind(place: Place, word: Option<&str>, has_reason: bool) -> Option<ChangeKind> {
    let kind = match (place, word) {
        (Place::Event(_), None) if has_reason => ChangeKind::Quarantined,
        (Place::Event(_), None) => ChangeKind::Arrived,
        (Place::Attempt(..), Some("done")) => ChangeKind::Done,
        (Place::Attempt(..), Some("retry")) => ChangeKind::Retry,
        (Place::Attempt(..), Some("deferred")) => ChangeKind::Deferred,
        // The latter: the destination was deleted.
        (Place::Attempt(..), Some("dead")) | (Place::Action(_), Some("dead_letter")) => {
            ChangeKind::Dead
        }
        (Place::Attempt(..), Some("lost")) if has_reason => ChangeKind::Dead,
        (Place::Attempt(..), Some("lost")) => ChangeKind::Lost,
        (Place::Action(_), Some("replay")) => ChangeKind::Replayed,
        (Place::Action(_), Some("resend")) => ChangeKind::Resent,
        (Place::Action(_), Some("retry")) => ChangeKind::DueNow,
        (Place::Action(_), Some("discard")) => ChangeKind::Discarded,
        (Place::Action(_), Some("unblock")) => ChangeKind::Unblocked,
        _ => return None,
    };
    Some(kind)
}
