//! Queues: the ready deliveries of one source and handler. Each is scanned separately, so that a
//! backlog in one is never read for another.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::{HandlerName, Store, StoreError};

/// A source and a handler.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue {
    pub source: String,
    /// The handler's stored name.
    pub handler: String,
}

impl Queue {
    /// The name of the destination, if the handler is one.
    pub fn destination(&self) -> Option<&str> {
        HandlerName::parse(&self.handler).destination()
    }
}

#[derive(Debug, Clone, Default)]
pub struct Paused {
    sources: HashSet<String>,
    handlers: HashSet<String>,
}

impl Paused {
    /// Whether nothing may be claimed from this queue.
    pub fn is_paused(&self, queue: &Queue) -> bool {
        self.sources.contains(&queue.source) || self.handlers.contains(&queue.handler)
    }
}

impl Store {
    /// When the oldest delivery of each queue became due; one row is read per queue. The scan
    /// begins at the queue's floor: before it, the index still has entries of completed deliveries,
    /// for as long as any transaction on the server might need them, and they would be read every
    /// time.
    pub async fn oldest_due(
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

    /// All queues of these sources with ready deliveries, including those of removed handlers.
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
