//! Responses of destinations: counted per hour, and the last few kept in full.
//!
//! Both are noted in memory where an answer comes in, and written every few seconds beside the
//! counters: handing an event over costs no statement for it. What a killed gateway has noted since
//! is lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use super::counters::ACKNOWLEDGED_WITHIN;
use super::{EventId, Store, StoreError, bounded};

/// How many answers of a destination are kept.
const KEPT: usize = 20;
/// A success is kept only so long after the one before: failures are of more interest.
const BETWEEN: Duration = Duration::SECOND;
/// The bound of what took longer than every bound.
const MORE: usize = ACKNOWLEDGED_WITHIN.len();

/// An answer of a destination, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationResponse {
    /// When the request began.
    pub at: OffsetDateTime,
    /// How long it took.
    pub took: Duration,
    /// The delivery; `None` for a test.
    pub delivery: Option<i64>,
    /// The event that was sent.
    pub event: EventId,
    /// The status; `None` where nothing came back.
    pub status: Option<u16>,
    /// The headers, by lower-case name. Untrusted input.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body. Untrusted input.
    pub body: String,
    /// Why it was not taken; `None` where it was.
    pub error: Option<String>,
}

/// What destinations have answered since it was last written. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ResponseLog(Arc<Mutex<BTreeMap<String, Noted>>>);

#[derive(Debug, Default)]
struct Noted {
    delivered: u64,
    failed: u64,
    within: [u64; MORE + 1],
    last: VecDeque<DestinationResponse>,
    kept_at: Option<OffsetDateTime>,
}

/// The results of a destination in an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHour {
    /// Events it accepted.
    pub delivered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// How many answers came within each bound of
    /// [`ACKNOWLEDGED_WITHIN`](super::ACKNOWLEDGED_WITHIN), and beyond them all.
    pub within: [u64; MORE + 1],
}

impl ResponseLog {
    /// Notes an answer of the destination with this stored handler name.
    pub fn note(&self, handler: &str, answer: DestinationResponse) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = all.entry(handler.to_owned()).or_default();
        if answer.delivery.is_some() {
            match answer.error {
                None => noted.delivered += 1,
                Some(_) => noted.failed += 1,
            }
            if answer.status.is_some() {
                let within = |bound: &u32| answer.took <= Duration::milliseconds((*bound).into());
                let place = ACKNOWLEDGED_WITHIN.iter().position(within).unwrap_or(MORE);
                if let Some(count) = noted.within.get_mut(place) {
                    *count += 1;
                }
            }
        }
        let recent = noted.kept_at.is_some_and(|kept| answer.at - kept < BETWEEN);
        if answer.error.is_none() && answer.delivery.is_some() && recent {
            return;
        }
        noted.kept_at = Some(answer.at);
        noted.last.push_back(answer);
        while noted.last.len() > KEPT {
            noted.last.pop_front();
        }
    }

    fn take(&self) -> BTreeMap<String, Noted> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut()
            .filter(|(_, noted)| noted.delivered + noted.failed > 0 || !noted.last.is_empty())
            .map(|(handler, noted)| {
                let kept_at = noted.kept_at;
                let taken = std::mem::take(noted);
                noted.kept_at = kept_at;
                (handler.clone(), taken)
            })
            .collect()
    }

    fn put_back(&self, taken: BTreeMap<String, Noted>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (handler, old) in taken {
            let noted = all.entry(handler).or_default();
            noted.delivered += old.delivered;
            noted.failed += old.failed;
            for (count, more) in noted.within.iter_mut().zip(old.within) {
                *count += more;
            }
            for answer in old.last.into_iter().rev() {
                noted.last.push_front(answer);
            }
            let too_many = noted.last.len().saturating_sub(KEPT);
            noted.last.drain(..too_many);
        }
    }
}

impl Store {
    /// Where what destinations answer is noted.
    pub fn answers(&self) -> &ResponseLog {
        &self.answers
    }

    /// Writes what was noted. What cannot be written is kept for the next time, within bounds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn flush_responses(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let taken = self.answers.take();
        if taken.is_empty() {
            return Ok(());
        }
        let written = self.write_answers(&taken, now).await;
        if written.is_err() {
            self.answers.put_back(taken);
        }
        written
    }

    async fn write_answers(
        &self,
        taken: &BTreeMap<String, Noted>,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let hour = super::Span::Coarse.begin(now);
        let mut tx = super::Tx::begin(&self.dispatch).await?;
        for (handler, noted) in taken {
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let within: Vec<i64> = noted.within.iter().map(|count| signed(*count)).collect();
            sqlx::query!(
                "INSERT INTO destination_hours AS h (handler, hour, delivered, failed, within)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (handler, hour) DO UPDATE
                    SET delivered = h.delivered + excluded.delivered,
                        failed = h.failed + excluded.failed,
                        within = ARRAY(SELECT a + b FROM UNNEST(h.within, excluded.within)
                                                           WITH ORDINALITY AS w (a, b, place)
                                        ORDER BY place)",
                handler,
                hour,
                signed(noted.delivered),
                signed(noted.failed),
                &within,
            )
            .execute(tx.connection())
            .await?;
            for answer in &noted.last {
                let headers = serde_json::to_string(&answer.headers).unwrap_or_default();
                sqlx::query!(
                    "INSERT INTO destination_responses
                         (handler, at, took_ms, delivery_id, event_id, status, headers, body, error)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    handler,
                    answer.at,
                    i64::try_from(answer.took.whole_milliseconds()).unwrap_or(i64::MAX),
                    answer.delivery,
                    answer.event.0,
                    answer.status.map(i32::from),
                    bounded(&headers),
                    bounded(&answer.body),
                    answer.error.as_deref().map(bounded),
                )
                .execute(tx.connection())
                .await?;
            }
            sqlx::query!(
                "DELETE FROM destination_responses
                  WHERE handler = $1 AND id <= (
                        SELECT id FROM destination_responses WHERE handler = $1
                         ORDER BY id DESC OFFSET $2 LIMIT 1)",
                handler,
                i64::try_from(KEPT).unwrap_or(i64::MAX),
            )
            .execute(tx.connection())
            .await?;
            sqlx::query!(
                "DELETE FROM destination_hours WHERE handler = $1 AND hour < $2",
                handler,
                hour - Duration::days(7),
            )
            .execute(tx.connection())
            .await?;
        }
        tx.commit(()).await?;
        Ok(())
    }

    /// The last answers of a destination, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn last_responses(
        &self,
        handler: &str,
    ) -> Result<Vec<DestinationResponse>, StoreError> {
        let rows = sqlx::query!(
            "SELECT at, took_ms, delivery_id, event_id, status, headers, body, error
               FROM destination_responses WHERE handler = $1 ORDER BY at DESC, id DESC LIMIT $2",
            handler,
            i64::try_from(KEPT).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.operator)
        .await?;
        let answers = rows.into_iter().map(|row| DestinationResponse {
            at: row.at,
            took: Duration::milliseconds(row.took_ms),
            delivery: row.delivery_id,
            event: EventId(row.event_id),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            headers: serde_json::from_str(&row.headers).unwrap_or_default(),
            body: row.body,
            error: row.error,
        });
        Ok(answers.collect())
    }

    /// The results of a destination in each hour since `from`, without hours without requests.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn response_hours(
        &self,
        handler: &str,
        from: OffsetDateTime,
    ) -> Result<Vec<(OffsetDateTime, ResponseHour)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT hour, delivered, failed, within FROM destination_hours
              WHERE handler = $1 AND hour >= $2 ORDER BY hour",
            handler,
            from,
        )
        .fetch_all(&self.operator)
        .await?;
        let hours = rows.into_iter().map(|row| {
            let mut did = ResponseHour {
                delivered: row.delivered.unsigned_abs(),
                failed: row.failed.unsigned_abs(),
                ..ResponseHour::default()
            };
            for (count, stored) in did.within.iter_mut().zip(row.within) {
                *count = stored.unsigned_abs();
            }
            (row.hour, did)
        });
        Ok(hours.collect())
    }

    /// When the next delivery to a destination is due; `None` where none waits.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn next_due(&self, handler: &str) -> Result<Option<OffsetDateTime>, StoreError> {
        let due = sqlx::query_scalar!(
            "SELECT due_at FROM deliveries WHERE handler = $1 AND state = 'ready'
                AND handler LIKE 'to:%'
              ORDER BY due_at, id LIMIT 1",
            handler,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(due)
    }
}

impl super::Tx<'_> {
    /// Has what waits for a destination tried now: an open breaker sends its probe, and up to
    /// `most` deliveries that wait for their time are due. Gives how many those are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn try_destination(
        &mut self,
        handler: &str,
        now: OffsetDateTime,
        most: i64,
    ) -> Result<u64, StoreError> {
        sqlx::query!(
            "UPDATE destinations SET not_before = CASE WHEN opened_at IS NOT NULL THEN $2 END
              WHERE handler = $1 AND not_before > $2",
            handler,
            now,
        )
        .execute(self.connection())
        .await?;
        let due = sqlx::query!(
            "UPDATE deliveries SET due_at = $2 WHERE id IN (
                SELECT id FROM deliveries
                 WHERE handler = $1 AND handler LIKE 'to:%' AND state = 'ready' AND due_at > $2
                 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)",
            handler,
            now,
            most,
        )
        .execute(self.connection())
        .await?;
        Ok(due.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn answer(at: OffsetDateTime, error: Option<&str>) -> DestinationResponse {
        DestinationResponse {
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
    fn everything_is_counted_and_the_last_are_kept_within_bounds() {
        let (answers, at) = (ResponseLog::default(), datetime!(2026-11-20 12:00 UTC));
        for number in 0..100 {
            answers.note("to:app", answer(at, (number % 2 == 1).then_some("no")));
        }
        let taken = answers.take();
        let noted = &taken["to:app"];
        assert_eq!((noted.delivered, noted.failed, noted.last.len()), (50, 50, KEPT));
        assert_eq!(noted.within.iter().sum::<u64>(), 100);
        assert!(noted.last.iter().all(|kept| kept.error.is_some()), "one success a second");
        assert!(answers.take().is_empty());
        answers.put_back(taken);
        assert_eq!(answers.take()["to:app"].failed, 50);
    }
}
