//! The stream of changes: what arrived and what became of it, in the order of the transactions
//! that say so.
//!
//! - A [`Change`] is one row that is never changed again: an event, an attempt, or what an operator
//!   did. Each carries the id of the transaction that inserted it.
//! - A [`Position`] is a place in the stream: that of a change.
//! - The *horizon* is the oldest transaction that is still open. Only what lies before it is read:
//!   nothing can come to stand there any more, so that a reader who goes on from its last position
//!   has missed nothing, whichever gateway wrote it and whichever it asks.
//!
//! Ids of events and deliveries would not do: they are given out before the commit, and what has
//! the lower one may be committed later, for a payload in chunks an hour later.

mod operator_action;
mod position;

use time::OffsetDateTime;
use uuid::Uuid;

pub use operator_action::OperatorAction;
pub use position::{BadPosition, Position};
use position::{Place, Row};

use super::{EventId, GATE, Store, StoreError};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// An event came in.
    Arrived,
    /// An operator made an event of another one, by editing that.
    Edited,
    /// A request came in that is authentic, and no use.
    Quarantined,
    /// A delivery ended well.
    Done,
    /// An attempt failed; there will be another.
    Retry,
    /// The same, and it does not count: where the event goes nothing is taken at present.
    Deferred,
    /// An attempt ended with no result; there will be another.
    RecoveredLeases,
    /// A delivery became a dead letter.
    Dead,
    /// An operator made a new delivery of it.
    Replayed,
    /// An operator left it as it is.
    Discarded,
    /// An operator had it hold its lane no longer.
    Unblocked,
}

impl ChangeKind {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Arrived,
        Self::Edited,
        Self::Quarantined,
        Self::Done,
        Self::Retry,
        Self::Deferred,
        Self::RecoveredLeases,
        Self::Dead,
        Self::Replayed,
        Self::Discarded,
        Self::Unblocked,
    ];

    /// The word that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Edited => "edited",
            Self::Quarantined => "quarantined",
            Self::Done => "done",
            Self::Retry => "retry",
            Self::Deferred => "deferred",
            Self::RecoveredLeases => "lost",
            Self::Dead => "dead",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
            Self::Unblocked => "unblocked",
        }
    }
}

/// One thing that happened. Committed, and final.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where it stands in the stream.
    pub position: Position,
    /// When it happened, by the gateway's clock.
    pub at: OffsetDateTime,
    /// What happened.
    pub what: ChangeKind,
    /// To whom the source belongs; `None` when the event is not there any more.
    pub tenant: Option<String>,
    /// The event's source.
    pub source: String,
    /// The event type; `None` when the event is not there any more.
    pub kind: Option<String>,
    /// The event.
    pub event: EventId,
    /// The event that this one was made of, where an operator edited that.
    pub edited_from: Option<EventId>,
    /// The delivery; `None` for an arrival.
    pub delivery: Option<i64>,
    /// Its handler's stored name.
    pub handler: Option<String>,
    /// Which attempt it was, from 1.
    pub attempt: Option<i32>,
    /// For done: how.
    pub outcome: Option<String>,
    /// For dead and quarantined: why, a word of the closed list.
    pub reason: Option<String>,
    /// The first line of the error, at most 300 characters.
    pub error: Option<String>,
    /// For a replay: the new delivery.
    pub replay: Option<i64>,
    /// Who, where an operator did it.
    pub actor: Option<String>,
}

/// Some changes, in order.
#[derive(Debug)]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
    /// Where to go on; `None` where there was nothing.
    pub last: Option<Position>,
    /// There may be more already.
    pub more: bool,
}

/// How far the stream can be read.
#[derive(Debug, Clone)]
pub struct Horizon {
    /// The oldest open transaction, or the next one that will be.
    pub transaction: String,
    /// Something that is committed has to wait for it.
    pub blocked: bool,
    /// Whose it is, as far as we are allowed to see.
    pub owner: Option<String>,
}

impl Store {
    /// Up to `limit` changes after a position.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn changes(&self, after: Position, limit: i64) -> Result<Changes, StoreError> {
        let bounds = after.bounds();
        // Each part walks its index on `xact` and stops early; only what is returned is joined.
        // What else is told of a row was written with it, or is never written again.
        let rows = sqlx::query!(
            r#"
            WITH horizon AS MATERIALIZED (
                SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin
            ), arrivals AS MATERIALIZED (
                SELECT xact, id, received_at, tenant, source, kind, edited_from FROM events
                 WHERE (xact, id) > ($1::text::xid8, $2::uuid)
                   AND xact < (SELECT xmin FROM horizon)
                 ORDER BY xact, id LIMIT $6
            ), tries AS MATERIALIZED (
                SELECT xact, delivery_id, number, finished_at, result, error FROM attempts
                 WHERE (xact, delivery_id, number) > ($1::text::xid8, $3::bigint, $4::int)
                   AND xact < (SELECT xmin FROM horizon)
                 ORDER BY xact, delivery_id, number LIMIT $6
            ), deeds AS MATERIALIZED (
                SELECT xact, id, at, actor, action, delivery_id, replay_id FROM operator_actions
                 WHERE (xact, id) > ($1::text::xid8, $5::bigint)
                   AND xact < (SELECT xmin FROM horizon)
                 ORDER BY xact, id LIMIT $6
            ), merged AS (
                SELECT xact, 0 AS place, id AS uuid, 0::bigint AS a, 0 AS b FROM arrivals
                 UNION ALL
                SELECT xact, 1, '00000000-0000-0000-0000-000000000000', delivery_id, number
                  FROM tries
                 UNION ALL
                SELECT xact, 2, '00000000-0000-0000-0000-000000000000', id, 0 FROM deeds
                 ORDER BY xact, place, uuid, a, b LIMIT $6
            )
            SELECT m.xact::text::bigint AS "xact!", m.place AS "place!", m.uuid AS "uuid!",
                   m.a AS "a!", m.b AS "b!",
                   COALESCE(v.received_at, t.finished_at, o.at) AS "at!",
                   COALESCE(t.result, o.action) AS word,
                   COALESCE(v.tenant, e.tenant) AS tenant,
                   COALESCE(v.source, d.source) AS source, COALESCE(v.kind, e.kind) AS kind,
                   COALESCE(v.id, d.event_id) AS event_id,
                   COALESCE(d.id, g.id) AS delivery_id, COALESCE(d.handler, g.handler) AS handler,
                   CASE WHEN t.result = 'done' THEN d.outcome END AS outcome,
                   -- An attempt that was lost and was the last one is a death.
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
              LEFT JOIN tries t ON m.place = 1 AND t.delivery_id = m.a AND t.number = m.b
              LEFT JOIN deeds o ON m.place = 2 AND o.id = m.a
              LEFT JOIN LATERAL (
                    SELECT id, event_id, source, handler, outcome, state, attempts, death_reason,
                           last_error
                      FROM deliveries WHERE id = COALESCE(t.delivery_id, o.delivery_id)) d ON true
              LEFT JOIN LATERAL (
                    SELECT id, handler, death_reason, last_error FROM deliveries
                     WHERE event_id = v.id AND handler = $7 AND triggered_by = 'arrival') g ON true
              LEFT JOIN LATERAL (SELECT tenant, kind, edited_from FROM events
                                  WHERE id = d.event_id) e ON true
             ORDER BY m.xact, m.place, m.uuid, m.a, m.b
            "#,
            after.xact.to_string(),
            bounds.event,
            bounds.delivery,
            bounds.number,
            bounds.action,
            limit,
            GATE,
        )
        .fetch_all(&self.operator)
        .await?;
        let more = rows.len() as u64 >= limit.unsigned_abs();
        let mut last = None;
        let mut changes = Vec::with_capacity(rows.len());
        for row in rows {
            let place = Row { place: row.place, uuid: row.uuid, a: row.a, b: row.b };
            let position = Position { xact: row.xact, place: Place::of(&place)? };
            last = Some(position);
            // A delivery that was removed meanwhile: there is nothing left to tell of it.
            let (Some(event), Some(source)) = (row.event_id, row.source) else { continue };
            let what = match what(position.place, row.word.as_deref(), row.reason.is_some()) {
                Some(ChangeKind::Arrived) if row.edited_from.is_some() => Some(ChangeKind::Edited),
                what => what,
            };
            changes.push(Change {
                position,
                at: row.at,
                what: what.ok_or_else(|| position.inconsistent("result"))?,
                tenant: row.tenant,
                source,
                kind: row.kind,
                event: EventId(event),
                edited_from: row.edited_from.map(EventId),
                delivery: row.delivery_id,
                handler: row.handler,
                attempt: matches!(position.place, Place::Attempt(..)).then_some(row.b),
                outcome: row.outcome,
                reason: row.reason,
                error: row.error,
                replay: row.replay_id,
                actor: row.actor,
            });
        }
        Ok(Changes { changes, last, more })
    }

    /// Where the stream ends now: whatever commits from now on comes after it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .fetch_optional(&self.operator)
        .await?;
        let Some(row) = row else { return Ok(Position::START) };
        let place = Row { place: row.place, uuid: row.uuid, a: row.a, b: row.b };
        Ok(Position { xact: row.xact, place: Place::of(&place)? })
    }

    /// Whether a position is one of this database's stream, and what follows it is still there. A
    /// position names a row: where that is gone, so may be others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn knows(&self, position: Position) -> Result<bool, StoreError> {
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
        .fetch_one(&self.operator)
        .await?;
        Ok(known)
    }

    /// How far the stream can be read, and who stands in the way of more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn horizon(&self) -> Result<Horizon, StoreError> {
        let row = sqlx::query!(
            r#"
            WITH horizon AS MATERIALIZED (
                SELECT pg_snapshot_xmin(now.snapshot) AS xmin, pg_snapshot_xmax(now.snapshot) AS xmax
                  FROM (SELECT pg_current_snapshot() AS snapshot) AS now
            )
            -- What no transaction of this server can have written was restored from another one:
            -- nobody holds it back.
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
        .fetch_one(&self.operator)
        .await?;
        Ok(Horizon { transaction: row.xmin, blocked: row.blocked, owner: row.owner })
    }
}

fn what(place: Place, word: Option<&str>, has_reason: bool) -> Option<ChangeKind> {
    let what = match (place, word) {
        (Place::Event(_), None) if has_reason => ChangeKind::Quarantined,
        (Place::Event(_), None) => ChangeKind::Arrived,
        (Place::Attempt(..), Some("done")) => ChangeKind::Done,
        (Place::Attempt(..), Some("retry")) => ChangeKind::Retry,
        (Place::Attempt(..), Some("deferred")) => ChangeKind::Deferred,
        // The last: the destination was deleted.
        (Place::Attempt(..), Some("dead")) | (Place::Action(_), Some("dead_letter")) => {
            ChangeKind::Dead
        }
        (Place::Attempt(..), Some("lost")) if has_reason => ChangeKind::Dead,
        (Place::Attempt(..), Some("lost")) => ChangeKind::RecoveredLeases,
        (Place::Action(_), Some("replay")) => ChangeKind::Replayed,
        (Place::Action(_), Some("discard")) => ChangeKind::Discarded,
        (Place::Action(_), Some("unblock")) => ChangeKind::Unblocked,
        _ => return None,
    };
    Some(what)
}
