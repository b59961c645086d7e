//! Paused sources and handlers: their events are recorded and wait. Claims skip their deliveries.
//!
//! A row stays when it is resumed: what is older than that counts its age from then, since it may
//! have waited for days, and for good reason.

use std::fmt;

use time::OffsetDateTime;

use super::{Store, StoreError, Tx, bounded};

/// What can be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PauseTarget {
    /// A source, with all its handlers and destinations.
    Source,
    /// A handler, of every source that has it.
    Handler,
}

/// Something that is paused.
#[derive(Debug, Clone)]
pub struct Pause {
    /// What.
    pub what: PauseTarget,
    /// Its name.
    pub name: String,
    /// Since when.
    pub paused_at: OffsetDateTime,
    /// Who paused it.
    pub paused_by: String,
    /// Why, in their words.
    pub why: String,
}

impl PauseTarget {
    /// What this stored word stands for.
    fn of(word: &str) -> Option<Self> {
        [Self::Source, Self::Handler].into_iter().find(|what| what.as_str() == word)
    }

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Handler => "handler",
        }
    }
}

impl fmt::Display for PauseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Store {
    /// Everything that is paused, by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Inconsistent`].
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT what, name, paused_at AS "paused_at!", paused_by, why FROM pauses
                WHERE paused_at IS NOT NULL ORDER BY what, name"#
        )
        .fetch_all(&self.operator)
        .await?;
        let pauses = rows.into_iter().map(|row| {
            let what = PauseTarget::of(&row.what).ok_or_else(|| StoreError::Inconsistent {
                table: "pauses",
                column: "what",
                row: row.name.clone(),
            })?;
            let (paused_at, paused_by) = (row.paused_at, row.paused_by);
            Ok(Pause { what, name: row.name, paused_at, paused_by, why: row.why })
        });
        pauses.collect()
    }
}

impl Tx<'_> {
    /// Pauses a source or a handler; false where it is paused already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn pause(
        &mut self,
        what: PauseTarget,
        name: &str,
        by: &str,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO pauses AS h (what, name, paused_at, paused_by, why)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (what, name) DO UPDATE
                SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
                    why = excluded.why
              WHERE h.paused_at IS NULL",
            what.as_str(),
            name,
            now,
            bounded(by),
            bounded(why),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Lets a source or a handler go on; false where it is not paused.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn resume(
        &mut self,
        what: PauseTarget,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE pauses SET paused_at = NULL, resumed_at = $3
              WHERE what = $1 AND name = $2 AND paused_at IS NOT NULL",
            what.as_str(),
            name,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
