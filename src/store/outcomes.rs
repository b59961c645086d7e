//! Reads for fixtures: the outcome of an event, and the rows of a table.

use sqlx::AssertSqlSafe;

use super::words::{optional_word, word};
use super::{DeathReason, DeliveryState, EventId, Store, StoreError};

/// The outcome of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// The name of the handler; `quarantine` if the event reached no handler.
    pub handler: String,
    pub state: DeliveryState,
    /// The outcome of a completed delivery.
    pub outcome: Option<String>,
    /// Why it was dead-lettered; `None` for other deliveries.
    pub death_reason: Option<DeathReason>,
    pub last_error: Option<String>,
}

impl DeliveryOutcome {
    /// Whether it is done or dead.
    pub fn is_final(&self) -> bool {
        matches!(self.state, DeliveryState::Done | DeliveryState::Dead)
    }
}

impl Store {
    /// The outcomes of the deliveries of an event, oldest first.
    pub async fn delivery_outcomes(
        &self,
        event: EventId,
    ) -> Result<Vec<DeliveryOutcome>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, handler, state, outcome, death_reason, last_error
               FROM deliveries WHERE event_id = $1 ORDER BY id",
            event.0,
        )
        .fetch_all(&self.admin)
        .await?;
        let delivery_outcomes = rows.into_iter().map(|row| {
            let table = "deliveries";
            Ok(DeliveryOutcome {
                handler: row.handler,
                state: word(&row.state, table, "state", row.id)?,
                outcome: row.outcome,
                death_reason: optional_word(
                    row.death_reason.as_deref(),
                    table,
                    "death_reason",
                    row.id,
                )?,
                last_error: row.last_error,
            })
        });
        delivery_outcomes.collect()
    }

    /// Every row of a table, each as a JSON object. The name is a constant in a provider's entry,
    /// never external input.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if there is no such table.
    pub async fn rows(&self, table: &'static str) -> Result<Vec<String>, StoreError> {
        // Not a literal: the table is only known at run time.
        let query = AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM {table} t"));
        #[expect(clippy::disallowed_methods, reason = "no statement to check: the table varies")]
        let rows = sqlx::query_scalar(query).fetch_all(&self.admin).await?;
        Ok(rows)
    }
}
