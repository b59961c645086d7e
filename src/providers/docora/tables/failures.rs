//! Repositories that could not be read.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::super::registry;
use super::RepositoryRow;
use crate::store::{EffectError, Outcome, Tx, Write};

pub(in super::super) struct RecordFailure {
    pub(in super::super) repository: RepositoryRow,
    pub(in super::super) error_type: String,
    pub(in super::super) error_message: String,
    pub(in super::super) consecutive_failures: i64,
    pub(in super::super) cooldown_until: Option<OffsetDateTime>,
}

#[async_trait]
impl Write for RecordFailure {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let repository = &self.repository;
        repository.check_registered(tx.connection()).await?;
        let written = sqlx::query!(
            "INSERT INTO docora_repositories AS known
                 (source, repository_id, github_url, owner, name, status, error_type,
                  error_message, error_at, consecutive_failures, cooldown_until)
             VALUES ($1, $2, $3, $4, $5, 'sync_failed', $6, $7, $8, $9, $10)
             ON CONFLICT (source, repository_id) DO UPDATE SET
                 github_url           = excluded.github_url,
                 owner                = excluded.owner,
                 name                 = excluded.name,
                 status               = excluded.status,
                 error_type           = excluded.error_type,
                 error_message        = excluded.error_message,
                 error_at             = excluded.error_at,
                 consecutive_failures = excluded.consecutive_failures,
                 cooldown_until       = excluded.cooldown_until
             WHERE coalesce(greatest(known.last_sync_at, known.error_at) <= excluded.error_at, true)",
            repository.source,
            repository.repository_id,
            repository.github_url,
            repository.owner,
            repository.name,
            self.error_type,
            self.error_message,
            repository.sent_at,
            self.consecutive_failures,
            self.cooldown_until,
        )
        .execute(tx.connection())
        .await?;
        if written.rows_affected() == 0 {
            return Ok(Outcome::Unchanged);
        }
        registry::alert_failure(tx, repository, &self.error_message).await?;
        Ok(Outcome::Handled)
    }
}
