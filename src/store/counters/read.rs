//! Reading counters: bounded by time and by how many sources there are, never by how much came in.

use time::OffsetDateTime;

use super::Counter;
use super::flush::begin_of;
use crate::store::{Store, StoreError};

/// How long a span of time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Five minutes.
    Fine,
    /// An hour.
    Coarse,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// When the span begins.
    pub bucket: OffsetDateTime,
    /// The source; empty for what was no source's.
    pub source: String,
    /// What was counted.
    pub what: Counter,
    /// For a refusal its reason; for what was quarantined [`TOO_LARGE`](super::TOO_LARGE) where it
    /// was that; for an acknowledgement the most milliseconds that it took, or `more`.
    pub detail: String,
    /// How many.
    pub count: u64,
}

/// How a secret is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUsage {
    /// The source.
    pub source: String,
    /// The secret's fingerprint.
    pub secret: String,
    /// How many requests it has verified.
    pub requests: u64,
    /// When it first did.
    pub first_at: OffsetDateTime,
    /// When it last did.
    pub last_at: OffsetDateTime,
}

impl Span {
    /// Its length, in minutes.
    pub fn minutes(self) -> i64 {
        match self {
            Self::Fine => 5,
            Self::Coarse => 60,
        }
    }

    /// When the span that `now` lies in begins.
    pub fn begin(self, now: OffsetDateTime) -> OffsetDateTime {
        begin_of(now, self.minutes())
    }

    /// The beginnings of the last `count` spans, oldest first; the last one is not over yet.
    pub fn last(self, count: u32, now: OffsetDateTime) -> Vec<OffsetDateTime> {
        let last = self.begin(now);
        let back = |spans| last - time::Duration::minutes(self.minutes() * i64::from(spans));
        (0..count).rev().map(back).collect()
    }
}

impl Store {
    /// What was counted in the spans that begin at `from` or later, oldest first; of these sources
    /// only, where some are named.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Inconsistent`].
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
        .fetch_all(&self.operator)
        .await?;
        let counted = rows.into_iter().map(|row| {
            let what = row.what.parse::<Counter>().map_err(|_| StoreError::Inconsistent {
                table: "counters",
                column: "what",
                row: format!("{} {}", row.bucket, row.source),
            })?;
            let count = row.count.unsigned_abs();
            Ok(Counted { bucket: row.bucket, source: row.source, what, detail: row.detail, count })
        });
        counted.collect()
    }

    /// How many requests each source verified at each hour of the day (UTC), in the hours that
    /// begin at `from` or later and before `to`, all days together; and when the first of them was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .fetch_all(&self.operator)
        .await?;
        let rows = rows.into_iter().map(|row| {
            let hour = u8::try_from(row.hour).unwrap_or_default();
            (row.source, hour, row.count.unsigned_abs(), row.first)
        });
        Ok(rows.collect())
    }

    /// How every secret is used.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn secret_usage(&self) -> Result<Vec<SecretUsage>, StoreError> {
        let rows = sqlx::query!(
            "SELECT source, secret, requests, first_at, last_at FROM secret_usage
              ORDER BY source, last_at DESC",
        )
        .fetch_all(&self.operator)
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
