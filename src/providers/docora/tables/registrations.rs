//! Registered repositories, and events that wait for a registration.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::RepositoryRow;
use crate::providers::docora::registry::{
    Address, Repository, awaiting, resolve_alert, resolve_recovered,
};
use crate::store::{EffectError, StoreError, Tx};

/// The initial delay of an event that waits for a registration.
const RETRY_DELAY: Duration = Duration::from_secs(10);

impl RepositoryRow {
    /// Accepts a file event: records that its repository is readable, and resolves the alert if it
    /// was not.
    pub(super) async fn accept_event(&self, tx: &mut Tx<'_>) -> Result<(), EffectError> {
        self.check_registered(tx.connection()).await?;
        if self.mark_readable(tx.connection()).await? {
            resolve_recovered(tx, self).await?;
        }
        Ok(())
    }

    /// Delays the event if a registration is required and missing: the first event may arrive
    /// before Docora's response to the registration is recorded, and nothing is sent twice.
    pub(super) async fn check_registered(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), EffectError> {
        if !self.must_be_registered {
            return Ok(());
        }
        let registered = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT 1 FROM docora_repositories
                    WHERE source = $1 AND repository_id = $2 AND registered_at IS NOT NULL
               ) AS "registered!""#,
            self.source,
            self.repository_id,
        )
        .fetch_one(connection)
        .await?;
        if registered {
            return Ok(());
        }
        let detail = awaiting(&self.repository_id);
        let awaiting = Some(detail.clone());
        Err(EffectError::NotYet { detail, retry_after: RETRY_DELAY, awaiting })
    }
}

/// The id under which a repository is registered.
pub(in crate::providers::docora) async fn find(
    tx: &mut Tx<'_>,
    source: &str,
    address: &Address,
) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar!(
        "SELECT repository_id FROM docora_repositories
          WHERE source = $1 AND lower(github_url) = lower($2) AND registered_at IS NOT NULL
          ORDER BY registered_at DESC LIMIT 1",
        source,
        address.url(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found)
}

/// Records a repository as registered under this id, replacing any other.
pub(in crate::providers::docora) async fn record(
    tx: &mut Tx<'_>,
    source: &str,
    address: &Address,
    id: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let replaced = sqlx::query_scalar!(
        "UPDATE docora_repositories SET registered_at = NULL, replaced_by = $3
          WHERE source = $1 AND lower(github_url) = lower($2) AND repository_id <> $3
            AND registered_at IS NOT NULL
         RETURNING repository_id",
        source,
        address.url(),
        id,
    )
    .fetch_all(tx.connection())
    .await?;
    for old in replaced {
        resolve_alert(
            tx,
            (source, &old),
            &format!("{} was registered again", address.short()),
            None,
        )
        .await?;
    }
    // If its events arrived earlier, they determine the status.
    sqlx::query!(
        "INSERT INTO docora_repositories AS known
             (source, repository_id, github_url, owner, name, status, registered_at)
         VALUES ($1, $2, $3, $4, $5, 'pending', $6)
         ON CONFLICT (source, repository_id) DO UPDATE SET
             registered_at = COALESCE(known.registered_at, excluded.registered_at),
             replaced_by   = NULL",
        source,
        id,
        address.url(),
        address.owner(),
        address.name(),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Records that a repository is no longer registered.
pub(in crate::providers::docora) async fn end(
    tx: &mut Tx<'_>,
    source: &str,
    address: &Address,
    id: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE docora_repositories SET registered_at = NULL
          WHERE source = $1 AND repository_id = $2",
        source,
        id,
    )
    .execute(tx.connection())
    .await?;
    resolve_alert(tx, (source, id), &format!("{} is no longer watched", address.short()), None)
        .await
}

/// The repositories of a source: registered, or known from events.
pub(in crate::providers::docora) async fn list(
    tx: &mut Tx<'_>,
    source: &str,
) -> Result<Vec<Repository>, StoreError> {
    let rows = sqlx::query_as!(
        Repository,
        "SELECT source, repository_id, github_url, status, registered_at, replaced_by,
                last_sync_at, cards_count, consecutive_failures, error_message
           FROM docora_repositories WHERE source = $1
          ORDER BY github_url, registered_at NULLS FIRST, repository_id",
        source,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}
