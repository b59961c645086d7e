//! Reads for fixtures: the outcome of an event, and the rows of a table.

use sqlx::AssertSqlSafe;

use super::{EventId, Store, StoreError};

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// Its handler; `gate` for what was quarantined before any.
    pub handler: String,
    /// `ready`, `leased`, `done` or `dead`.
    pub state: String,
    /// How it ended well, where it did.
    pub outcome: Option<String>,
    /// Why it is a dead letter, where it is one.
    pub death_reason: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl DeliveryOutcome {
    /// Whether nothing more will be done about it.
    pub fn is_final(&self) -> bool {
        matches!(self.state.as_str(), "done" | "dead")
    }
}

impl Store {
    /// What became of an event: its deliveries, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delivery_outcomes(
        &self,
        event: EventId,
    ) -> Result<Vec<DeliveryOutcome>, StoreError> {
        let delivery_outcomes = sqlx::query_as!(
            DeliveryOutcome,
            "SELECT handler, state, outcome, death_reason, last_error
               FROM deliveries WHERE event_id = $1 ORDER BY id",
            event.0,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(delivery_outcomes)
    }

    /// Every row of a handler's table, each as a JSON object. `table` stands in the program, in a
    /// provider's entry: it is no text from outside.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is no such table.
    pub async fn rows(&self, table: &'static str) -> Result<Vec<String>, StoreError> {
        // No literal: which table it is, is known only at run time.
        let query = AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM {table} t"));
        #[expect(clippy::disallowed_methods, reason = "no statement to check: the table varies")]
        let rows = sqlx::query_scalar(query).fetch_all(&self.operator).await?;
        Ok(rows)
    }
}
