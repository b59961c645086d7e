//! Queues: what is ready of one source and for one handler. They are looked at one by one, so that
//! what waits in one is never read for another.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::{Store, StoreError};

/// A queue: a source, and the stored name of a handler.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue {
    /// The source.
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
}

/// What operators have paused.
#[derive(Debug, Clone, Default)]
pub struct Paused {
    sources: HashSet<String>,
    handlers: HashSet<String>,
}

impl Paused {
    /// Whether nothing is to be taken from this queue.
    pub fn is_paused(&self, queue: &Queue) -> bool {
        self.sources.contains(&queue.source) || self.handlers.contains(&queue.handler)
    }
}

impl Store {
    /// Since when the delivery that waits longest in each queue has been due; one row is read for
    /// each. What was due before the queue's floor is not looked at: the index still has the
    /// entries of deliveries that are done, for as long as some transaction anywhere in the
    /// server might want to see them, and they would be read again every time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn look(
        &self,
        queues: &[(&Queue, Option<OffsetDateTime>)],
        now: OffsetDateTime,
    ) -> Result<Vec<Option<OffsetDateTime>>, StoreError> {
        let sources: Vec<&str> = queues.iter().map(|(queue, _)| queue.source.as_str()).collect();
        let handlers: Vec<&str> = queues.iter().map(|(queue, _)| queue.handler.as_str()).collect();
        let floors: Vec<Option<OffsetDateTime>> = queues.iter().map(|(_, floor)| *floor).collect();
        let oldest = sqlx::query_scalar!(
            r#"
            SELECT (SELECT d.due_at FROM deliveries d
                     WHERE d.source = q.source AND d.handler = q.handler
                       AND d.state = 'ready' AND d.parked IS NULL
                       AND d.due_at >= COALESCE(q.floor, '-infinity') AND d.due_at <= $4
                     ORDER BY d.due_at, d.id LIMIT 1) AS oldest
              FROM UNNEST($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY
                   AS q (source, handler, floor, place)
             ORDER BY q.place
            "#,
            &sources as &[&str],
            &handlers as &[&str],
            &floors as &[Option<OffsetDateTime>],
            now,
        )
        .fetch_all(&self.claim)
        .await?;
        Ok(oldest)
    }

    /// Every queue of these sources in which something is ready, also of handlers that nobody
    /// knows any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn queues(&self, sources: &[String]) -> Result<Vec<Queue>, StoreError> {
        let queues = sqlx::query_as!(
            Queue,
            r#"SELECT source AS "source!", handler AS "handler!" FROM queues
                WHERE source = ANY($1)"#,
            sources,
        )
        .fetch_all(&self.claim)
        .await?;
        Ok(queues)
    }

    /// What is paused.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn paused(&self) -> Result<Paused, StoreError> {
        let rows = sqlx::query!("SELECT what, name FROM pauses WHERE paused_at IS NOT NULL")
            .fetch_all(&self.claim)
            .await?;
        let mut paused = Paused::default();
        for row in rows {
            let names =
                if row.what == "source" { &mut paused.sources } else { &mut paused.handlers };
            names.insert(row.name);
        }
        Ok(paused)
    }
}
