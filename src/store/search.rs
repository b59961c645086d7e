//! Looking for events, newest first. Events have no index but their id, which sorts by time: a
//! filter is tried on a bounded number of them, and the answer says how far that reached.

use time::OffsetDateTime;
use uuid::Uuid;

use super::events::strength_from_word;
use super::{Edit, EventId, KeyDigest, Store, StoreError};
use crate::verify::Strength;

/// How much of a body is looked through for a text, in bytes.
pub const SEARCHED_BYTES: i32 = 64 * 1024;

/// Which events. Every part that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this kind of sender.
    pub provider: Option<String>,
    /// Of this type.
    pub kind: Option<String>,
    /// Of a type that begins with this.
    pub kind_prefix: Option<String>,
    /// Of this strength, by its stored word.
    pub strength: Option<String>,
    /// With a delivery in this state, by its stored word.
    pub state: Option<String>,
    /// With these bytes at the beginning of the body: in its first [`SEARCHED_BYTES`].
    pub text: Option<Vec<u8>>,
}

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The lowest that belongs to it.
    pub from: Uuid,
    /// The lowest above it.
    pub below: Uuid,
}

/// An event, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its id.
    pub id: EventId,
    /// To whom its source belongs.
    pub tenant: String,
    /// Its source.
    pub source: String,
    /// What kind of sender it is.
    pub provider: String,
    /// The event type.
    pub kind: String,
    /// How much its proof says.
    pub strength: Strength,
    /// Where its body comes from, if nobody sent it.
    pub edited: Option<Edit>,
    /// Accepted past the time of its token.
    pub late: bool,
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// The size of its body, in bytes.
    pub size: u64,
    /// How many of its deliveries are ready, leased, done, dead and open, dead and resolved.
    pub deliveries: DeliveryCounts,
}

/// How many deliveries are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Due now or later.
    pub ready: u64,
    /// Being worked on.
    pub leased: u64,
    /// Ended well.
    pub done: u64,
    /// Dead letters that are not resolved.
    pub dead: u64,
    /// Dead letters that were replayed or discarded.
    pub resolved: u64,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The events, newest first.
    pub rows: Vec<EventRow>,
    /// The last event that was looked at, if there may be more behind it.
    pub reached: Option<EventId>,
}

impl IdRange {
    /// Every id there can be.
    pub const ALL: Self = Self { from: Uuid::nil(), below: Uuid::max() };

    /// The ids of events that were received between these times. Of a payload in chunks the first
    /// one counts.
    pub fn between(from: Option<OffsetDateTime>, to: Option<OffsetDateTime>) -> Self {
        Self {
            from: from.map_or(Self::ALL.from, first_at),
            below: to.map_or(Self::ALL.below, first_at),
        }
    }

    /// The ids that begin with these hexadecimal digits, hyphens aside; `None` where it is no
    /// beginning of an id.
    pub fn beginning_with(digits: &str) -> Option<Self> {
        let digits: String = digits.chars().filter(|c| *c != '-').collect();
        let length = digits.len();
        if !(1..=32).contains(&length) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let from = u128::from_str_radix(&format!("{digits:0<32}"), 16).ok()?;
        let last = u128::from_str_radix(&format!("{digits:f<32}"), 16).ok()?;
        let below = last.saturating_add(1);
        Some(Self { from: Uuid::from_u128(from), below: Uuid::from_u128(below) })
    }

    /// This id alone.
    pub fn of(event: EventId) -> Self {
        let below = event.0.as_u128().saturating_add(1);
        Self { from: event.0, below: Uuid::from_u128(below) }
    }

    /// What belongs to both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), below: self.below.min(other.below) }
    }
}

impl EventId {
    /// When it was made: when its event, or the first chunk of it, was received.
    pub fn made_at(self) -> OffsetDateTime {
        let millis = i128::from_ne_bytes((self.0.as_u128() >> 80).to_ne_bytes());
        OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl Store {
    /// Up to `limit` of the events in `range` that match. It looks at 50,000 events for what their
    /// own rows say, and at 2,000 of those that are left for their deliveries and bodies.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search_events(
        &self,
        filter: &EventFilter,
        range: IdRange,
        limit: i64,
    ) -> Result<Found, StoreError> {
        let ids = sqlx::query_scalar!(
            r#"
            WITH candidates AS MATERIALIZED (
                SELECT e.id
                  FROM (SELECT id, tenant, source, provider, kind, strength FROM events
                         WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 50000) AS e
                 WHERE ($3::text IS NULL OR e.tenant = $3)
                   AND ($4::text IS NULL OR e.source = $4)
                   AND ($5::text IS NULL OR e.provider = $5)
                   AND ($6::text IS NULL OR e.kind = $6)
                   AND ($7::text IS NULL OR starts_with(e.kind, $7))
                   AND ($8::text IS NULL OR e.strength = $8)
                 ORDER BY e.id DESC LIMIT 2000
            )
            SELECT c.id AS "id!" FROM candidates c
             WHERE ($9::text IS NULL OR (SELECT true FROM deliveries d
                                          WHERE d.event_id = c.id AND d.state = $9 LIMIT 1))
               AND ($10::bytea IS NULL
                    OR (SELECT position($10 IN substring(body FROM 1 FOR $11)) > 0
                          FROM events WHERE id = c.id))
             ORDER BY c.id DESC LIMIT $12
            "#,
            range.from,
            range.below,
            filter.tenant,
            filter.source,
            filter.provider,
            filter.kind,
            filter.kind_prefix,
            filter.strength,
            filter.state,
            filter.text,
            SEARCHED_BYTES,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        let full = ids.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let reached = match ids.last() {
            Some(last) if full => Some(EventId(*last)),
            _ => self.looked_back_to(filter, range).await?,
        };
        let ids: Vec<EventId> = ids.into_iter().map(EventId).collect();
        Ok(Found { rows: self.event_rows(&ids, filter.tenant.as_deref()).await?, reached })
    }

    /// These events, newest first; those of other tenants are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn event_rows(
        &self,
        events: &[EventId],
        tenant: Option<&str>,
    ) -> Result<Vec<EventRow>, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.0).collect();
        let rows = sqlx::query!(
            r#"SELECT id, tenant, source, provider, kind, strength, late, received_at,
                      edited_from, edited_by, octet_length(body) AS "size!"
                 FROM events WHERE id = ANY($1) AND ($2::text IS NULL OR tenant = $2)
                ORDER BY id DESC"#,
            &ids,
            tenant,
        )
        .fetch_all(&self.operator)
        .await?;
        let counts = self.delivery_counts(&ids).await?;
        let rows = rows.into_iter().map(|row| {
            let inconsistent = |column| {
                let row = row.id.to_string();
                StoreError::Inconsistent { table: "events", column, row }
            };
            let counts = counts.iter().find(|(id, _)| *id == row.id);
            Ok(EventRow {
                id: EventId(row.id),
                strength: strength_from_word(&row.strength)
                    .ok_or_else(|| inconsistent("strength"))?,
                edited: row.edited_from.map(|from| Edit {
                    from: EventId(from),
                    by: row.edited_by.unwrap_or_default(),
                }),
                size: u64::try_from(row.size).map_err(|_| inconsistent("body"))?,
                tenant: row.tenant,
                source: row.source,
                provider: row.provider,
                kind: row.kind,
                late: row.late,
                received_at: row.received_at,
                deliveries: counts.map(|(_, counts)| *counts).unwrap_or_default(),
            })
        });
        rows.collect()
    }

    /// The last event that a search looks at; `None` where it looks at all.
    async fn looked_back_to(
        &self,
        filter: &EventFilter,
        range: IdRange,
    ) -> Result<Option<EventId>, StoreError> {
        let reached = sqlx::query_scalar!(
            r#"
            WITH candidates AS MATERIALIZED (
                SELECT e.id
                  FROM (SELECT id, tenant, source, provider, kind, strength FROM events
                         WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 50000) AS e
                 WHERE ($3::text IS NULL OR e.tenant = $3)
                   AND ($4::text IS NULL OR e.source = $4)
                   AND ($5::text IS NULL OR e.provider = $5)
                   AND ($6::text IS NULL OR e.kind = $6)
                   AND ($7::text IS NULL OR starts_with(e.kind, $7))
                   AND ($8::text IS NULL OR e.strength = $8)
                 ORDER BY e.id DESC LIMIT 2000
            )
            SELECT COALESCE(
                (SELECT id FROM candidates ORDER BY id DESC OFFSET 1999 LIMIT 1),
                (SELECT id FROM events WHERE id >= $1 AND id < $2
                  ORDER BY id DESC OFFSET 49999 LIMIT 1))
            "#,
            range.from,
            range.below,
            filter.tenant,
            filter.source,
            filter.provider,
            filter.kind,
            filter.kind_prefix,
            filter.strength,
        )
        .fetch_one(&self.operator)
        .await?;
        Ok(reached.map(EventId))
    }

    /// The deliveries of these events, counted by state.
    async fn delivery_counts(
        &self,
        events: &[Uuid],
    ) -> Result<Vec<(Uuid, DeliveryCounts)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT event_id,
                      count(*) FILTER (WHERE state = 'ready') AS "ready!",
                      count(*) FILTER (WHERE state = 'leased') AS "leased!",
                      count(*) FILTER (WHERE state = 'done') AS "done!",
                      count(*) FILTER (WHERE state = 'dead' AND resolution IS NULL) AS "dead!",
                      count(*) FILTER (WHERE state = 'dead' AND resolution IS NOT NULL)
                          AS "resolved!"
                 FROM deliveries WHERE event_id = ANY($1) GROUP BY event_id"#,
            events,
        )
        .fetch_all(&self.operator)
        .await?;
        let counts = rows.into_iter().map(|row| {
            let counts = DeliveryCounts {
                ready: row.ready.unsigned_abs(),
                leased: row.leased.unsigned_abs(),
                done: row.done.unsigned_abs(),
                dead: row.dead.unsigned_abs(),
                resolved: row.resolved.unsigned_abs(),
            };
            (row.event_id, counts)
        });
        Ok(counts.collect())
    }

    /// The events that stand under these keys now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn events_under(&self, keys: &[KeyDigest]) -> Result<Vec<EventId>, StoreError> {
        let keys: Vec<&[u8]> = keys.iter().map(KeyDigest::as_bytes).collect();
        let ids = sqlx::query_scalar!(
            "SELECT DISTINCT event_id FROM event_keys WHERE key = ANY($1) ORDER BY event_id DESC",
            &keys as &[&[u8]],
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(ids.into_iter().map(EventId).collect())
    }

    /// The types of the newest events, and how many there are of each: of 5,000 events at most,
    /// and how many were looked at.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn recent_kinds(
        &self,
        tenant: Option<&str>,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT kind, count(*) AS "count!"
                 FROM (SELECT kind, tenant FROM events ORDER BY id DESC LIMIT 5000) AS late
                WHERE $1::text IS NULL OR tenant = $1
                GROUP BY kind ORDER BY 2 DESC, 1"#,
            tenant,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(rows.into_iter().map(|row| (row.kind, row.count.unsigned_abs())).collect())
    }
}

/// The lowest id of what is received at this time.
fn first_at(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Uuid::from_u128(millis.min((1 << 48) - 1) << 80)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    #[test]
    fn an_id_lies_between_the_times_around_its_own() {
        let id = EventId::new(NOON);
        assert_eq!(id.made_at(), NOON);
        let range = IdRange::between(Some(NOON), Some(NOON + time::Duration::milliseconds(1)));
        assert!(range.from <= id.0 && id.0 < range.below);
        let before = IdRange::between(None, Some(NOON));
        assert!(before.below <= id.0);
        assert_eq!(IdRange::between(None, None), IdRange::ALL);
    }

    #[test]
    fn a_beginning_of_an_id_is_the_range_of_ids_that_begin_so() {
        let id = EventId::new(NOON);
        let text = id.to_string();
        for length in [1, 8, 9, 13, 36] {
            let begins = text.get(..length).unwrap();
            let range = IdRange::beginning_with(begins).unwrap();
            assert!(range.from <= id.0 && id.0 < range.below, "{begins}");
        }
        let whole = IdRange::beginning_with(&text).unwrap();
        assert_eq!(whole.below.as_u128() - whole.from.as_u128(), 1);
        for none in ["", "-", "xyz", &format!("{text}0")] {
            assert!(IdRange::beginning_with(none).is_none(), "{none}");
        }
    }
}
