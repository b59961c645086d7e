//! From the counters of this process to the table.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use strum::VariantArray as _;
use time::{Duration, OffsetDateTime};

use super::{ACKNOWLEDGED_WITHIN, Counter, Counters, Counting, SourceCounters, TOO_LARGE};
use crate::store::{Store, StoreError, Tx};
use crate::verify::Fingerprint;

/// How long spans of five minutes are kept.
const KEPT_FINE: Duration = Duration::days(3);
/// How long spans of an hour are kept.
const KEPT_COARSE: Duration = Duration::days(40);
/// The most rows that one step deletes.
const STEP: i64 = 20_000;

/// Counts that were taken off their counters, in the order of the table's key: two gateways that
/// add to the same rows wait for each other and never in a circle.
#[derive(Default)]
struct Taken<'a> {
    rows: Vec<Row<'a>>,
    secrets: Vec<Used<'a>>,
}

/// How a secret was used since the last flush.
struct Used<'a> {
    source: &'a str,
    counting: &'a Counting,
    secret: Fingerprint,
    requests: u64,
    /// When its source's first and last authentic request came, where that is known.
    came: Option<(OffsetDateTime, OffsetDateTime)>,
}

struct Row<'a> {
    source: &'a str,
    what: Counter,
    detail: String,
    count: u64,
    counter: &'a AtomicU64,
}

impl Store {
    /// Adds what was counted to the table. What cannot be added is kept for the next time, unless
    /// nobody knows whether it was added: then it may count twice.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn flush_tallies(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let taken = self.counters.take();
        if taken.rows.is_empty() && taken.secrets.is_empty() {
            return Ok(());
        }
        let added = self.add_tallies(&taken, now).await;
        if added.is_err() {
            taken.put_back();
        } else {
            taken.settle();
        }
        added
    }

    async fn add_tallies(&self, taken: &Taken<'_>, now: OffsetDateTime) -> Result<(), StoreError> {
        let sources: Vec<&str> = taken.rows.iter().map(|row| row.source).collect();
        let whats: Vec<&str> = taken.rows.iter().map(|row| row.what.as_str()).collect();
        let details: Vec<&str> = taken.rows.iter().map(|row| row.detail.as_str()).collect();
        let counts: Vec<i64> = taken.rows.iter().map(|row| signed(row.count)).collect();
        let users: Vec<&str> = taken.secrets.iter().map(|used| used.source).collect();
        let secrets: Vec<String> =
            taken.secrets.iter().map(|used| used.secret.to_string()).collect();
        let requests: Vec<i64> = taken.secrets.iter().map(|used| signed(used.requests)).collect();
        let times = taken.secrets.iter().map(|used| used.came.unwrap_or((now, now)));
        let (first, last): (Vec<OffsetDateTime>, Vec<OffsetDateTime>) = times.unzip();
        sqlx::query!(
            "WITH counted AS (
                 INSERT INTO counters AS t (minutes, bucket, source, what, detail, count)
                 SELECT s.minutes, s.bucket, c.source, c.what, c.detail, c.count
                   FROM UNNEST($1::smallint[], $2::timestamptz[]) AS s (minutes, bucket),
                        UNNEST($3::text[], $4::text[], $5::text[], $6::bigint[])
                            AS c (source, what, detail, count)
                  ORDER BY s.minutes, c.source COLLATE \"C\", c.what COLLATE \"C\",
                           c.detail COLLATE \"C\"
                 ON CONFLICT (minutes, bucket, source, what, detail)
                 DO UPDATE SET count = t.count + excluded.count
             )
             INSERT INTO secret_usage AS u (source, secret, requests, first_at, last_at)
             SELECT s.source, s.secret, s.requests, s.first_at, s.last_at
               FROM UNNEST($7::text[], $8::text[], $9::bigint[], $10::timestamptz[],
                           $11::timestamptz[])
                    AS s (source, secret, requests, first_at, last_at)
              ORDER BY s.source COLLATE \"C\", s.secret COLLATE \"C\"
             ON CONFLICT (source, secret) DO UPDATE SET
                 requests = u.requests + excluded.requests,
                 last_at  = greatest(u.last_at, excluded.last_at)",
            &[5_i16, 60],
            &[begin_of(now, 5), begin_of(now, 60)],
            &sources as &[&str],
            &whats as &[&str],
            &details as &[&str],
            &counts,
            &users as &[&str],
            &secrets,
            &requests,
            &first,
            &last,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(())
    }

    /// Deletes up to a step of counters that are too old to be of use; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_tallies(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM counters WHERE ctid IN
                (SELECT ctid FROM counters
                  WHERE (minutes = 5 AND bucket < $1) OR (minutes = 60 AND bucket < $2) LIMIT $3)",
            now - KEPT_FINE,
            now - KEPT_COARSE,
            STEP,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(done.rows_affected())
    }
}

impl Tx<'_> {
    /// Counts what happens in this transaction, and only if it commits.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn tally(
        &mut self,
        source: &str,
        what: Counter,
        count: u64,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO counters AS t (minutes, bucket, source, what, count)
             SELECT s.minutes, s.bucket, $3, $4, $5::bigint
               FROM UNNEST($1::smallint[], $2::timestamptz[]) AS s (minutes, bucket)
              WHERE $5::bigint > 0
             ON CONFLICT (minutes, bucket, source, what, detail)
             DO UPDATE SET count = t.count + excluded.count",
            &[5_i16, 60],
            &[begin_of(now, 5), begin_of(now, 60)],
            source,
            what.as_str(),
            signed(count),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Counts the new deliveries that an operator made.
    pub(in crate::store) async fn count_replays(
        &mut self,
        deliveries: &[i64],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO counters AS t (minutes, bucket, source, what, count)
             SELECT s.minutes, s.bucket, d.source, $4, count(*)
               FROM deliveries d,
                    UNNEST($1::smallint[], $2::timestamptz[]) AS s (minutes, bucket)
              WHERE d.id = ANY($3)
              GROUP BY s.minutes, s.bucket, d.source
              ORDER BY s.minutes, d.source
             ON CONFLICT (minutes, bucket, source, what, detail)
             DO UPDATE SET count = t.count + excluded.count",
            &[5_i16, 60],
            &[begin_of(now, 5), begin_of(now, 60)],
            deliveries,
            Counter::Replayed.as_str(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Counters {
    fn take(&self) -> Taken<'_> {
        let mut taken = Taken::default();
        taken.tally("", &self.0.nowhere);
        for (source, counting) in self.0.sources.get().into_iter().flatten() {
            taken.tally(source, &counting.tally);
            taken.secrets(source, counting);
        }
        taken
    }
}

impl<'a> Taken<'a> {
    fn tally(&mut self, source: &'a str, tally: &'a SourceCounters) {
        let plain = Counter::VARIANTS.iter().zip(&tally.counts);
        for (what, counter) in plain {
            self.row(source, *what, String::new(), counter);
        }
        let bounds = ACKNOWLEDGED_WITHIN.iter().map(u32::to_string).chain([MORE.to_owned()]);
        for (bound, counter) in bounds.zip(&tally.acknowledged) {
            self.row(source, Counter::Acknowledged, bound, counter);
        }
        self.row(source, Counter::Quarantined, TOO_LARGE.to_owned(), &tally.too_large);
        for (reason, counter) in tally.refused.each() {
            self.row(source, Counter::Refused, reason.to_owned(), counter);
        }
    }

    fn row(&mut self, source: &'a str, what: Counter, detail: String, counter: &'a AtomicU64) {
        let count = counter.swap(0, Ordering::Relaxed);
        if count > 0 {
            self.rows.push(Row { source, what, detail, count, counter });
        }
    }

    fn secrets(&mut self, source: &'a str, counting: &'a Counting) {
        let flushed = counting.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let came = counting.tally.take_times();
        for (secret, total) in counting.keys.uses() {
            let before = flushed.iter().find(|(known, _)| *known == secret);
            let requests = total - before.map_or(0, |(_, count)| *count);
            if requests > 0 {
                self.secrets.push(Used { source, counting, secret, requests, came });
            }
        }
    }

    fn put_back(&self) {
        for row in &self.rows {
            row.counter.fetch_add(row.count, Ordering::Relaxed);
        }
        for used in &self.secrets {
            if let Some((first, _)) = used.came {
                used.counting.tally.came(first);
            }
        }
    }

    fn settle(&self) {
        for Used { counting, secret, requests: more, .. } in &self.secrets {
            let mut flushed = counting.flushed.lock().unwrap_or_else(PoisonError::into_inner);
            match flushed.iter_mut().find(|(known, _)| known == secret) {
                Some((_, count)) => *count += more,
                None => flushed.push((*secret, *more)),
            }
        }
    }
}

/// The bound of the last part of the histogram.
pub(super) const MORE: &str = "more";

/// When the span that `now` lies in begins.
pub(super) fn begin_of(now: OffsetDateTime, minutes: i64) -> OffsetDateTime {
    let into = now.unix_timestamp().rem_euclid(minutes * 60);
    now - Duration::seconds(into) - Duration::nanoseconds(i64::from(now.nanosecond()))
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_span_begins_at_a_multiple_of_its_length() {
        let now = datetime!(2026-11-20 12:34:56.789 UTC);
        assert_eq!(begin_of(now, 5), datetime!(2026-11-20 12:30 UTC));
        assert_eq!(begin_of(now, 60), datetime!(2026-11-20 12:00 UTC));
        assert_eq!(begin_of(datetime!(2026-11-20 12:30 UTC), 5), datetime!(2026-11-20 12:30 UTC));
    }
}
