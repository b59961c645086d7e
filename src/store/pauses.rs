//! Paused sources and handlers: their events are recorded and wait. Claims skip their deliveries.
//!
//! The row remains after a resume: the age of older deliveries counts from then, since they may
//! have waited for days for a good reason.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::words::word;
use super::{Store, StoreError, Tx, bounded};

/// What can be paused.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PauseTarget {
    /// A source, with all its handlers and destinations.
    Source,
    /// A handler, of every source that has it.
    Handler,
}

/// A paused source or handler.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// Whether it is a source or a handler.
    #[serde(rename = "type")]
    pub target: PauseTarget,
    /// Its name.
    pub name: String,
    /// When it was paused.
    #[serde(with = "time::serde::rfc3339")]
    pub paused_at: OffsetDateTime,
    /// Who paused it.
    pub paused_by: String,
    /// The reason given.
    pub reason: String,
}

impl PauseTarget {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Store {
    /// Everything that is paused, by name.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT what, name, paused_at AS "paused_at!", paused_by, reason FROM pauses
                WHERE paused_at IS NOT NULL ORDER BY what, name"#
        )
        .fetch_all(&self.admin)
        .await?;
        let pauses = rows.into_iter().map(|row| {
            let target = word(&row.what, "pauses", "what", &row.name)?;
            let (paused_at, paused_by) = (row.paused_at, row.paused_by);
            Ok(Pause { target, name: row.name, paused_at, paused_by, reason: row.reason })
        });
        pauses.collect()
    }
}

impl Tx<'_> {
    /// Pauses a source or a handler; false if it is paused already.
    pub async fn pause(
        &mut self,
        target: PauseTarget,
        name: &str,
        by: &str,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO pauses AS h (what, name, paused_at, paused_by, reason)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (what, name) DO UPDATE
                SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
                    reason = excluded.reason
              WHERE h.paused_at IS NULL",
            target.as_str(),
            name,
            now,
            bounded(by),
            bounded(reason),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Resumes a source or a handler; false if it is not paused.
    pub async fn resume(
        &mut self,
        target: PauseTarget,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE pauses SET paused_at = NULL, resumed_at = $3
              WHERE what = $1 AND name = $2 AND paused_at IS NOT NULL",
            target.as_str(),
            name,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
