//! Responses of destinations: counted per hour, and the last few kept in full.
//!
//! Both are collected in memory and written every few seconds together with the counters, so that a
//! delivery needs no statement for them. A killed gateway loses what it has not written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use super::counters::ACKNOWLEDGED_WITHIN;
use super::{EventId, Store, StoreError, bounded};

/// The number of responses stored per destination.
const STORED: usize = 20;
/// The minimum interval between stored successes: failures are of more interest.
const SUCCESS_INTERVAL: Duration = Duration::SECOND;
/// The index of the last histogram bucket.
const LAST_BUCKET: usize = ACKNOWLEDGED_WITHIN.len();

/// A response of a destination, or its absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedResponse {
    /// When the request began.
    pub at: OffsetDateTime,
    pub took: Duration,
    /// `None` for a test.
    pub delivery: Option<i64>,
    pub event: EventId,
    /// `None` without a response.
    pub status: Option<u16>,
    /// By lower-case name. Untrusted input.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body. Untrusted input.
    pub body: String,
    /// `None` if it accepted the event.
    pub error: Option<String>,
}

/// Responses since the last write. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ResponseLog(Arc<Mutex<BTreeMap<String, Collected>>>);

#[derive(Debug, Default)]
struct Collected {
    delivered: u64,
    failed: u64,
    within: [u64; LAST_BUCKET + 1],
    last: VecDeque<RecordedResponse>,
    stored_at: Option<OffsetDateTime>,
}

/// The results of a destination in an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHour {
    pub delivered: u64,
    pub failed: u64,
    /// Responses by duration: one bucket per bound of
    /// [`ACKNOWLEDGED_WITHIN`](super::ACKNOWLEDGED_WITHIN), and one beyond.
    pub within: [u64; LAST_BUCKET + 1],
}

impl ResponseLog {
    /// Records a response of the destination of this name.
    pub fn record(&self, destination: &str, response: RecordedResponse) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let collected = all.entry(destination.to_owned()).or_default();
        if response.delivery.is_some() {
            match response.error {
                None => collected.delivered += 1,
                Some(_) => collected.failed += 1,
            }
            if response.status.is_some() {
                let within = |bound: &u32| response.took <= Duration::milliseconds((*bound).into());
                let place = ACKNOWLEDGED_WITHIN.iter().position(within).unwrap_or(LAST_BUCKET);
                if let Some(count) = collected.within.get_mut(place) {
                    *count += 1;
                }
            }
        }
        let recent = collected.stored_at.is_some_and(|kept| response.at - kept < SUCCESS_INTERVAL);
        if response.error.is_none() && response.delivery.is_some() && recent {
            return;
        }
        collected.stored_at = Some(response.at);
        collected.last.push_back(response);
        while collected.last.len() > STORED {
            collected.last.pop_front();
        }
    }

    fn take(&self) -> BTreeMap<String, Collected> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut()
            .filter(|(_, collected)| {
                collected.delivered + collected.failed > 0 || !collected.last.is_empty()
            })
            .map(|(destination, collected)| {
                let stored_at = collected.stored_at;
                let taken = std::mem::take(collected);
                collected.stored_at = stored_at;
                (destination.clone(), taken)
            })
            .collect()
    }

    fn put_back(&self, taken: BTreeMap<String, Collected>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (destination, old) in taken {
            let collected = all.entry(destination).or_default();
            collected.delivered += old.delivered;
            collected.failed += old.failed;
            for (count, more) in collected.within.iter_mut().zip(old.within) {
                *count += more;
            }
            for response in old.last.into_iter().rev() {
                collected.last.push_front(response);
            }
            let too_many = collected.last.len().saturating_sub(STORED);
            collected.last.drain(..too_many);
        }
    }
}

impl Store {
    pub fn responses(&self) -> &ResponseLog {
        &self.responses
    }

    /// Writes the collected responses. On an error they are kept for the next time, within limits.
    pub async fn flush_responses(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let taken = self.responses.take();
        if taken.is_empty() {
            return Ok(());
        }
        let written = self.write_responses(&taken, now).await;
        if written.is_err() {
            self.responses.put_back(taken);
        }
        written
    }

    async fn write_responses(
        &self,
        taken: &BTreeMap<String, Collected>,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let hour = super::Span::Coarse.begin(now);
        let mut tx = super::Tx::begin(&self.dispatch).await?;
        for (destination, collected) in taken {
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let within: Vec<i64> = collected.within.iter().map(|count| signed(*count)).collect();
            sqlx::query!(
                "INSERT INTO destination_hours AS h (destination, hour, delivered, failed, within)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (destination, hour) DO UPDATE
                    SET delivered = h.delivered + excluded.delivered,
                        failed = h.failed + excluded.failed,
                        within = ARRAY(SELECT a + b FROM UNNEST(h.within, excluded.within)
                                                           WITH ORDINALITY AS w (a, b, place)
                                        ORDER BY place)",
                destination,
                hour,
                signed(collected.delivered),
                signed(collected.failed),
                &within,
            )
            .execute(tx.connection())
            .await?;
            for response in &collected.last {
                let headers = serde_json::to_string(&response.headers).unwrap_or_default();
                sqlx::query!(
                    "INSERT INTO destination_responses
                         (destination, at, took_ms, delivery_id, event_id, status, headers, body,
                          error)
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
                      WHERE NOT EXISTS (SELECT FROM events
                                         WHERE id = $5 AND erased_at IS NOT NULL)",
                    destination,
                    response.at,
                    i64::try_from(response.took.whole_milliseconds()).unwrap_or(i64::MAX),
                    response.delivery,
                    response.event.0,
                    response.status.map(i32::from),
                    bounded(&headers),
                    bounded(&response.body),
                    response.error.as_deref().map(bounded),
                )
                .execute(tx.connection())
                .await?;
            }
            sqlx::query!(
                "DELETE FROM destination_responses
                  WHERE destination = $1 AND id <= (
                        SELECT id FROM destination_responses WHERE destination = $1
                         ORDER BY id DESC OFFSET $2 LIMIT 1)",
                destination,
                i64::try_from(STORED).unwrap_or(i64::MAX),
            )
            .execute(tx.connection())
            .await?;
            sqlx::query!(
                "DELETE FROM destination_hours WHERE destination = $1 AND hour < $2",
                destination,
                hour - Duration::days(7),
            )
            .execute(tx.connection())
            .await?;
        }
        tx.commit(()).await?;
        Ok(())
    }

    /// The last responses of a destination, newest first.
    pub async fn last_responses(
        &self,
        destination: &str,
    ) -> Result<Vec<RecordedResponse>, StoreError> {
        let rows = sqlx::query!(
            "SELECT at, took_ms, delivery_id, event_id, status, headers, body, error
               FROM destination_responses
              WHERE destination = $1 ORDER BY at DESC, id DESC LIMIT $2",
            destination,
            i64::try_from(STORED).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.admin)
        .await?;
        let responses = rows.into_iter().map(|row| RecordedResponse {
            at: row.at,
            took: Duration::milliseconds(row.took_ms),
            delivery: row.delivery_id,
            event: EventId(row.event_id),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            headers: serde_json::from_str(&row.headers).unwrap_or_default(),
            body: row.body,
            error: row.error,
        });
        Ok(responses.collect())
    }

    /// The results of a destination in each hour since `from`, without hours without requests.
    pub async fn response_hours(
        &self,
        destination: &str,
        from: OffsetDateTime,
    ) -> Result<Vec<(OffsetDateTime, ResponseHour)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT hour, delivered, failed, within FROM destination_hours
              WHERE destination = $1 AND hour >= $2 ORDER BY hour",
            destination,
            from,
        )
        .fetch_all(&self.admin)
        .await?;
        let hours = rows.into_iter().map(|row| {
            let mut results = ResponseHour {
                delivered: row.delivered.unsigned_abs(),
                failed: row.failed.unsigned_abs(),
                ..ResponseHour::default()
            };
            for (count, stored) in results.within.iter_mut().zip(row.within) {
                *count = stored.unsigned_abs();
            }
            (row.hour, results)
        });
        Ok(hours.collect())
    }

    /// When the next delivery to a destination is due; `None` if none is waiting.
    pub async fn next_due(&self, destination: &str) -> Result<Option<OffsetDateTime>, StoreError> {
        let due = sqlx::query_scalar!(
            "SELECT due_at FROM deliveries WHERE destination = $1 AND state = 'ready'
              ORDER BY due_at, id LIMIT 1",
            destination,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(due)
    }
}

impl super::Tx<'_> {
    /// Retries a destination now: an open breaker sends its probe, and up to `max` waiting
    /// deliveries become due. Returns how many are due now, also those that were before.
    pub async fn retry_destination(
        &mut self,
        destination: &str,
        now: OffsetDateTime,
        max: i64,
    ) -> Result<u64, StoreError> {
        sqlx::query!(
            "UPDATE destinations SET not_before = CASE WHEN opened_at IS NOT NULL THEN $2 END
              WHERE name = $1 AND not_before > $2",
            destination,
            now,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "UPDATE deliveries SET due_at = $2 WHERE id IN (
                SELECT id FROM deliveries
                 WHERE destination = $1 AND state = 'ready' AND due_at > $2
                 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)",
            destination,
            now,
            max,
        )
        .execute(self.connection())
        .await?;
        let due = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM deliveries
                WHERE destination = $1 AND state = 'ready' AND due_at <= $2"#,
            destination,
            now,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(due.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn response(at: OffsetDateTime, error: Option<&str>) -> RecordedResponse {
        RecordedResponse {
            at,
            took: Duration::milliseconds(3),
            delivery: Some(1),
            event: EventId::new(at),
            status: Some(200),
            headers: Vec::new(),
            body: String::new(),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn all_responses_are_counted_and_the_last_are_stored() {
        let (responses, at) = (ResponseLog::default(), datetime!(2026-11-20 12:00 UTC));
        for number in 0..100 {
            responses.record("app", response(at, (number % 2 == 1).then_some("no")));
        }
        let taken = responses.take();
        let collected = &taken["app"];
        assert_eq!((collected.delivered, collected.failed, collected.last.len()), (50, 50, STORED));
        assert_eq!(collected.within.iter().sum::<u64>(), 100);
        assert!(collected.last.iter().all(|kept| kept.error.is_some()), "one success a second");
        assert!(responses.take().is_empty());
        responses.put_back(taken);
        assert_eq!(responses.take()["app"].failed, 50);
    }
}
