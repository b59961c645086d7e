//! Deletes events that are past their retention, with their deliveries and attempts.
//!
//! A pass reads the events in the order of their ids, which is the order of arrival, up to the
//! newest one that any rule could delete. What is unfinished is kept, and so is every dead letter
//! that an unfinished job may still reach.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{EventId, IdRange, QUARANTINE, Store, StoreError, Tx};

/// How many events a step reads.
const STEP: i64 = 1_000;

/// How long events are kept after they were finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRetention {
    /// Every delivery succeeded, or there was none.
    pub done: Duration,
    /// A delivery is a dead letter, resolved or not.
    pub dead: Duration,
    /// The request was authentic, and no handler could take it.
    pub quarantined: Duration,
}

impl EventRetention {
    fn shortest(self) -> Duration {
        self.done.min(self.dead).min(self.quarantined)
    }
}

/// The retention of all sources.
#[derive(Debug, Clone)]
pub struct RetentionRules {
    /// Of sources without a rule of their own, also of those that were removed.
    pub default: EventRetention,
    /// Of the others, by name.
    pub sources: BTreeMap<String, EventRetention>,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedEvents {
    pub events: u64,
    /// Where the next step continues; `None` at the end of the pass.
    pub next: Option<EventId>,
}

impl Store {
    /// Deletes expired events among the next thousand after `after`.
    pub async fn delete_expired_events(
        &self,
        rules: &RetentionRules,
        after: Option<EventId>,
        now: OffsetDateTime,
    ) -> Result<DeletedEvents, StoreError> {
        let mut tx = Tx::begin(&self.dispatch).await?;
        let (next, expired) = tx.expired_events(rules, after, now).await?;
        if expired.is_empty() {
            return Ok(DeletedEvents { events: 0, next });
        }
        let expired = tx.lock_expired(&expired).await?;
        let locked = tx.lock_deliveries_of(&expired).await?;
        let (events, groups) = tx.delete_events(&expired, &locked).await?;
        tx.tidy_groups(&groups).await?;
        Ok(tx.commit(DeletedEvents { events, next }).await?.into_inner())
    }
}

impl Tx<'_> {
    /// The expired ones among the next events, and the last event that was read, unless it was the
    /// last of all.
    async fn expired_events(
        &mut self,
        rules: &RetentionRules,
        after: Option<EventId>,
        now: OffsetDateTime,
    ) -> Result<(Option<EventId>, Vec<Uuid>), StoreError> {
        let ages = || rules.sources.values().copied();
        let shortest =
            ages().map(EventRetention::shortest).fold(rules.default.shortest(), Ord::min);
        let before = |age: Duration| now.checked_sub(age).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let column = |of: fn(EventRetention) -> Duration| {
            ages().map(|rule| before(of(rule))).collect::<Vec<OffsetDateTime>>()
        };
        let sources: Vec<&str> = rules.sources.keys().map(String::as_str).collect();
        let row = sqlx::query!(
            r#"
            WITH scanned AS MATERIALIZED (
                SELECT id, source, received_at FROM events
                 WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3
            ), in_jobs AS MATERIALIZED (
                SELECT max(up_to) AS up_to FROM jobs
                 WHERE state IN ('planned', 'running') AND action IN ('replay', 'discard')
            ), expired AS (
                SELECT s.id
                  FROM scanned s
                  LEFT JOIN UNNEST($4::text[], $5::timestamptz[], $6::timestamptz[],
                                   $7::timestamptz[]) AS r (source, done, dead, quarantined)
                       ON r.source = s.source
                 CROSS JOIN LATERAL (
                    SELECT bool_or(d.state IN ('ready', 'leased')) AS unfinished,
                           bool_or(d.state = 'dead') AS dead,
                           bool_or(d.handler = $11) AS quarantined,
                           max(GREATEST(d.finished_at, d.resolved_at)) AS ended,
                           min(d.id) FILTER (WHERE d.state = 'dead') AS first_dead
                      FROM deliveries d WHERE d.event_id = s.id) AS d
                 WHERE d.unfinished IS NOT TRUE
                   AND (d.first_dead <= (SELECT up_to FROM in_jobs)) IS NOT TRUE
                   AND GREATEST(s.received_at, d.ended)
                       <= CASE WHEN d.quarantined THEN COALESCE(r.quarantined, $10)
                               WHEN d.dead THEN COALESCE(r.dead, $9)
                               ELSE COALESCE(r.done, $8) END
            )
            SELECT ARRAY(SELECT id FROM expired) AS "expired!",
                   (SELECT id FROM scanned ORDER BY id DESC LIMIT 1) AS last,
                   (SELECT count(*) FROM scanned) AS "scanned!"
            "#,
            after.map_or(Uuid::nil(), |event| event.0),
            IdRange::between(None, Some(before(shortest))).below,
            STEP,
            &sources as &[&str],
            &column(|rule| rule.done),
            &column(|rule| rule.dead),
            &column(|rule| rule.quarantined),
            before(rules.default.done),
            before(rules.default.dead),
            before(rules.default.quarantined),
            QUARANTINE,
        )
        .fetch_one(self.connection())
        .await?;
        let next = row.last.filter(|_| row.scanned >= STEP).map(EventId);
        Ok((next, row.expired))
    }

    /// Locks these events, and returns those that nobody else has locked: somebody may be resending
    /// one.
    async fn lock_expired(&mut self, events: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let locked = sqlx::query_scalar!(
            "SELECT id FROM events WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED",
            events,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(locked)
    }

    /// Locks the deliveries of events, except those that others have locked: somebody may be
    /// replaying one.
    async fn lock_deliveries_of(&mut self, events: &[Uuid]) -> Result<Vec<i64>, StoreError> {
        let locked = sqlx::query_scalar!(
            "SELECT id FROM deliveries WHERE event_id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED",
            events,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(locked)
    }

    /// Deletes events with their deliveries and attempts, if all deliveries are locked and finished,
    /// and takes dead letters out of the counts of their groups. Returns the number of events, and
    /// the groups.
    async fn delete_events(
        &mut self,
        events: &[Uuid],
        locked: &[i64],
    ) -> Result<(u64, Vec<i64>), StoreError> {
        // The groups are locked in the order in which all others lock them.
        let row = sqlx::query!(
            r#"
            WITH gone AS MATERIALIZED (
                SELECT e.id FROM UNNEST($1::uuid[]) AS e (id)
                 WHERE NOT EXISTS (
                    SELECT 1 FROM deliveries d
                     WHERE d.event_id = e.id
                       AND (d.state IN ('ready', 'leased') OR d.id <> ALL($2)))
            ), fewer AS MATERIALIZED (
                SELECT d.group_id, count(*) AS total,
                       count(*) FILTER (WHERE d.resolution IS NULL) AS open
                  FROM gone JOIN deliveries d ON d.event_id = gone.id
                 WHERE d.state = 'dead' AND d.group_id IS NOT NULL
                 GROUP BY d.group_id
            ), locked AS MATERIALIZED (
                SELECT g.id FROM dead_letter_groups g
                 WHERE g.id IN (SELECT group_id FROM fewer)
                 ORDER BY g.fingerprint FOR UPDATE
            ), counted AS (
                UPDATE dead_letter_groups g
                   SET open = g.open - fewer.open, total = g.total - fewer.total
                  FROM fewer JOIN locked ON locked.id = fewer.group_id
                 WHERE g.id = fewer.group_id
                RETURNING g.id
            ), deliveries_gone AS (
                DELETE FROM deliveries WHERE event_id IN (SELECT id FROM gone) RETURNING id
            ), attempts_gone AS (
                DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries_gone)
            ), events_gone AS (
                DELETE FROM events WHERE id IN (SELECT id FROM gone) RETURNING 1
            )
            SELECT (SELECT count(*) FROM events_gone) AS "deleted!",
                   ARRAY(SELECT id FROM counted) AS "groups!"
            "#,
            events,
            locked,
        )
        .fetch_one(self.connection())
        .await?;
        Ok((row.deleted.unsigned_abs(), row.groups))
    }

    /// Deletes groups that are empty now, and gives the others an example that still exists.
    async fn tidy_groups(&mut self, groups: &[i64]) -> Result<(), StoreError> {
        if groups.is_empty() {
            return Ok(());
        }
        sqlx::query!("DELETE FROM dead_letter_groups WHERE id = ANY($1) AND total = 0", groups)
            .execute(self.connection())
            .await?;
        sqlx::query!(
            "UPDATE dead_letter_groups g SET sample = newest.id
               FROM UNNEST($1::bigint[]) AS t (group_id)
              CROSS JOIN LATERAL (
                    SELECT d.id FROM deliveries d
                     WHERE d.state = 'dead' AND d.group_id = t.group_id
                     ORDER BY d.id DESC LIMIT 1) AS newest
              WHERE g.id = t.group_id
                AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = g.sample)",
            groups,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
