//! Reads counters. The cost depends on the time span and the number of sources, never on the
//! traffic.

use time::OffsetDateTime;

use super::Counter;
use super::flush::start_of;
use crate::store::words::word;
use crate::store::{Store, StoreError};

/// The length of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Fine,
    /// One hour.
    Coarse,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The start of the span.
    pub bucket: OffsetDateTime,
    /// Empty for requests to unknown paths.
    pub source: String,
    pub what: Counter,
    /// For a rejection its reason; for quarantined requests [`TOO_LARGE`](super::TOO_LARGE) if that
    /// was the cause; for responses the upper bound of the bucket in milliseconds, or `more`.
    pub detail: String,
    pub count: u64,
}

/// The use of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUsage {
    pub source: String,
    /// The fingerprint of the secret.
    pub secret: String,
    /// The number of requests it has verified.
    pub requests: u64,
    pub first_at: OffsetDateTime,
    pub last_at: OffsetDateTime,
}

impl Span {
    /// The length in minutes.
    pub fn minutes(self) -> i64 {
        match self {
            Self::Fine => 5,
            Self::Coarse => 60,
        }
    }

    /// The start of the span that contains `now`.
    pub fn begin(self, now: OffsetDateTime) -> OffsetDateTime {
        start_of(now, self.minutes())
    }

    /// The starts of the last `count` spans, oldest first; the last one is not over yet.
    pub fn last(self, count: u32, now: OffsetDateTime) -> Vec<OffsetDateTime> {
        let last = self.begin(now);
        let back = |spans| last - time::Duration::minutes(self.minutes() * i64::from(spans));
        (0..count).rev().map(back).collect()
    }
}

impl Store {
    /// Counts of the spans that start at `from` or later, oldest first; only of these sources, if
    /// given.
    pub async fn counted(
        &self,
        span: Span,
        from: OffsetDateTime,
        sources: Option<&[String]>,
    ) -> Result<Vec<Counted>, StoreError> {
        let rows = sqlx::query!(
            "SELECT bucket, source, what, detail, count FROM counters
              WHERE minutes = $1 AND bucket >= $2
                AND ($3::text[] IS NULL OR source = ANY($3))
              ORDER BY bucket",
            i16::try_from(span.minutes()).unwrap_or(i16::MAX),
            from,
            sources,
        )
        .fetch_all(&self.admin)
        .await?;
        let counted = rows.into_iter().map(|row| {
            let place = format_args!("{} {}", row.bucket, row.source);
            let what = word(&row.what, "counters", "what", place)?;
            let count = row.count.unsigned_abs();
            Ok(Counted { bucket: row.bucket, source: row.source, what, detail: row.detail, count })
        });
        counted.collect()
    }

    /// The number of authentic requests of each source by hour of the day (UTC), summed over the
    /// days between `from` and `to`, and the first such hour.
    pub async fn counted_by_hour(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
    ) -> Result<Vec<(String, u8, u64, OffsetDateTime)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT source, extract(hour FROM bucket AT TIME ZONE 'UTC')::int AS "hour!",
                      sum(count)::bigint AS "count!", min(bucket) AS "first!"
                 FROM counters
                WHERE minutes = 60 AND bucket >= $1 AND bucket < $2 AND source <> ''
                  AND what IN ('accepted', 'duplicate', 'quarantined', 'chunk')
                GROUP BY 1, 2"#,
            from,
            to,
        )
        .fetch_all(&self.admin)
        .await?;
        let rows = rows.into_iter().map(|row| {
            let hour = u8::try_from(row.hour).unwrap_or_default();
            (row.source, hour, row.count.unsigned_abs(), row.first)
        });
        Ok(rows.collect())
    }

    /// The use of every secret.
    pub async fn secret_usage(&self) -> Result<Vec<SecretUsage>, StoreError> {
        let rows = sqlx::query!(
            "SELECT source, secret, requests, first_at, last_at FROM secret_usage
              ORDER BY source, last_at DESC",
        )
        .fetch_all(&self.admin)
        .await?;
        let usage = rows.into_iter().map(|row| SecretUsage {
            source: row.source,
            secret: row.secret,
            requests: row.requests.unsigned_abs(),
            first_at: row.first_at,
            last_at: row.last_at,
        });
        Ok(usage.collect())
    }
}
