//! Flushes the counters of this process to the table.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use strum::VariantArray as _;
use time::{Duration, OffsetDateTime};

use super::{ACKNOWLEDGED_WITHIN, Counter, Counters, SourceCounters, SourceEntry, TOO_LARGE};
use crate::store::{Store, StoreError, Tx};
use crate::verify::Fingerprint;

/// How long five-minute spans are kept.
const FINE_RETENTION: Duration = Duration::days(3);
/// How long one-hour spans are kept.
const COARSE_RETENTION: Duration = Duration::days(40);
/// The maximum number of rows deleted per step.
const STEP: i64 = 20_000;

/// Counts taken from the counters, in the order of the table's key: gateways that add to the same
/// rows lock them in the same order.
#[derive(Default)]
struct Taken<'a> {
    rows: Vec<Row<'a>>,
    secrets: Vec<SecretUse<'a>>,
}

struct SecretUse<'a> {
    source: &'a str,
    entry: &'a SourceEntry,
    secret: Fingerprint,
    requests: u64,
    /// When the first and the last authentic request of its source arrived, if known.
    arrived: Option<(OffsetDateTime, OffsetDateTime)>,
}

struct Row<'a> {
    source: &'a str,
    what: Counter,
    detail: String,
    count: u64,
    counter: &'a AtomicU64,
}

impl Store {
    /// Adds the counts to the table. On an error they are kept for the next time, and may count
    /// twice if the commit is unknown.
    pub async fn flush_counters(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let taken = self.counters.take();
        if taken.rows.is_empty() && taken.secrets.is_empty() {
            return Ok(());
        }
        let added = self.add_counts(&taken, now).await;
        if added.is_err() {
            taken.put_back();
        } else {
            taken.mark_flushed();
        }
        added
    }

    async fn add_counts(&self, taken: &Taken<'_>, now: OffsetDateTime) -> Result<(), StoreError> {
        let sources: Vec<&str> = taken.rows.iter().map(|row| row.source).collect();
        let names: Vec<&str> = taken.rows.iter().map(|row| row.what.as_str()).collect();
        let details: Vec<&str> = taken.rows.iter().map(|row| row.detail.as_str()).collect();
        let counts: Vec<i64> = taken.rows.iter().map(|row| signed(row.count)).collect();
        let secret_sources: Vec<&str> =
            taken.secrets.iter().map(|secret_use| secret_use.source).collect();
        let secrets: Vec<String> =
            taken.secrets.iter().map(|secret_use| secret_use.secret.to_string()).collect();
        let requests: Vec<i64> =
            taken.secrets.iter().map(|secret_use| signed(secret_use.requests)).collect();
        let times = taken.secrets.iter().map(|secret_use| secret_use.arrived.unwrap_or((now, now)));
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
            &[start_of(now, 5), start_of(now, 60)],
            &sources as &[&str],
            &names as &[&str],
            &details as &[&str],
            &counts,
            &secret_sources as &[&str],
            &secrets,
            &requests,
            &first,
            &last,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(())
    }

    /// Deletes counters that are too old, and returns their number.
    pub async fn delete_old_counters(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM counters WHERE ctid IN
                (SELECT ctid FROM counters
                  WHERE (minutes = 5 AND bucket < $1) OR (minutes = 60 AND bucket < $2) LIMIT $3)",
            now - FINE_RETENTION,
            now - COARSE_RETENTION,
            STEP,
        )
        .execute(&self.dispatch)
        .await?;
        Ok(done.rows_affected())
    }
}

impl Tx<'_> {
    /// Adds to a counter within this transaction.
    pub async fn add_to_counter(
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
            &[start_of(now, 5), start_of(now, 60)],
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
    /// Counts new deliveries created by replays.
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
            &[start_of(now, 5), start_of(now, 60)],
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
        taken.take_source("", &self.0.unknown_paths);
        for (source, entry) in self.0.sources.get().into_iter().flatten() {
            taken.take_source(source, &entry.counters);
            taken.secrets(source, entry);
        }
        taken
    }
}

impl<'a> Taken<'a> {
    fn take_source(&mut self, source: &'a str, counters: &'a SourceCounters) {
        let plain = Counter::VARIANTS.iter().zip(&counters.counts);
        for (what, counter) in plain {
            self.take_counter(source, *what, String::new(), counter);
        }
        let bounds = ACKNOWLEDGED_WITHIN.iter().map(u32::to_string).chain([LAST_BUCKET.to_owned()]);
        for (bound, counter) in bounds.zip(&counters.acknowledged) {
            self.take_counter(source, Counter::Acknowledged, bound, counter);
        }
        self.take_counter(source, Counter::Quarantined, TOO_LARGE.to_owned(), &counters.too_large);
        for (reason, counter) in counters.refused.each() {
            self.take_counter(source, Counter::Refused, reason.to_owned(), counter);
        }
    }

    fn take_counter(
        &mut self,
        source: &'a str,
        what: Counter,
        detail: String,
        counter: &'a AtomicU64,
    ) {
        let count = counter.swap(0, Ordering::Relaxed);
        if count > 0 {
            self.rows.push(Row { source, what, detail, count, counter });
        }
    }

    fn secrets(&mut self, source: &'a str, entry: &'a SourceEntry) {
        let flushed = entry.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived = entry.counters.take_times();
        for (secret, total) in entry.keys.uses() {
            let before = flushed.iter().find(|(known, _)| *known == secret);
            let requests = total - before.map_or(0, |(_, count)| *count);
            if requests > 0 {
                self.secrets.push(SecretUse { source, entry, secret, requests, arrived });
            }
        }
    }

    fn put_back(&self) {
        for row in &self.rows {
            row.counter.fetch_add(row.count, Ordering::Relaxed);
        }
        for secret_use in &self.secrets {
            if let Some((first, _)) = secret_use.arrived {
                secret_use.entry.counters.record_arrival(first);
            }
        }
    }

    fn mark_flushed(&self) {
        for SecretUse { entry, secret, requests: more, .. } in &self.secrets {
            let mut flushed = entry.flushed.lock().unwrap_or_else(PoisonError::into_inner);
            match flushed.iter_mut().find(|(known, _)| known == secret) {
                Some((_, count)) => *count += more,
                None => flushed.push((*secret, *more)),
            }
        }
    }
}

/// The `detail` of the last histogram bucket.
pub(super) const LAST_BUCKET: &str = "more";

/// The start of the span that contains `now`.
pub(super) fn start_of(now: OffsetDateTime, minutes: i64) -> OffsetDateTime {
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
    fn spans_start_at_multiples_of_their_length() {
        let now = datetime!(2026-11-20 12:34:56.789 UTC);
        assert_eq!(start_of(now, 5), datetime!(2026-11-20 12:30 UTC));
        assert_eq!(start_of(now, 60), datetime!(2026-11-20 12:00 UTC));
        assert_eq!(start_of(datetime!(2026-11-20 12:30 UTC), 5), datetime!(2026-11-20 12:30 UTC));
    }
}
