//! Who did what: written in the transaction that does it.

use time::OffsetDateTime;

use super::{StoreError, Tx, bounded};

/// One thing that somebody did.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: &'a str,
    /// What, such as `replay`.
    pub action: &'a str,
    /// To what: the selection, in words.
    pub target: &'a str,
    /// Why, in the actor's words.
    pub reason: &'a str,
    /// How many rows it touched.
    pub count: u64,
}

impl Tx<'_> {
    /// Writes down what the transaction does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn audit(&mut self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO audit_log (at, actor, action, target, reason, count)
             VALUES ($1, $2, $3, $4, $5, $6)",
            entry.at,
            bounded(entry.actor),
            entry.action,
            bounded(entry.target),
            bounded(entry.reason),
            i64::try_from(entry.count).unwrap_or(i64::MAX),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
