//! Whether events can be recorded, according to the server, the tables, the disk and the writers'
//! last commits.

use std::time::Duration;

use super::{ErrorKind, OpenError, Store, StoreError, Tx};

/// The timeout of the check.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How many broken idle connections the pool can have.
const MAX_IDLE: usize = 2;

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Unwritable {
    pub kind: ErrorKind,
    /// The error, if the check itself failed.
    #[source]
    error: Option<StoreError>,
}

impl Unwritable {
    fn is_connection_lost(&self) -> bool {
        let lost = |error: &sqlx::Error| {
            matches!(error, sqlx::Error::Io(_)) || ErrorKind::of(error) == ErrorKind::Restarting
        };
        matches!(&self.error, Some(StoreError::Unavailable(Some(error))) if lost(error))
    }
}

impl From<StoreError> for Unwritable {
    fn from(error: StoreError) -> Self {
        Self { kind: error.kind(), error: Some(error) }
    }
}

impl From<ErrorKind> for Unwritable {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, error: None }
    }
}

impl Store {
    /// Checks that events can be recorded: the server responds and accepts writes, the tables are
    /// not locked, its disk is not almost full, and no writer's last commit failed recently.
    ///
    /// # Errors
    /// [`Unwritable`] with the reason.
    pub async fn check_writable(&self) -> Result<(), Unwritable> {
        let asking = async {
            let mut result = self.check().await;
            // Idle connections may be broken while a new one would work.
            for _ in 0..MAX_IDLE {
                if !matches!(&result, Err(error) if error.is_connection_lost()) {
                    break;
                }
                result = self.check().await;
            }
            result
        };
        let result = tokio::time::timeout(TIMEOUT, asking).await;
        result.unwrap_or_else(|_| Err(StoreError::timed_out().into()))?;
        if self.is_disk_full() {
            return Err(ErrorKind::DiskFull.into());
        }
        self.commits.failing().map_or(Ok(()), |kind| Err(kind.into()))
    }

    async fn check(&self) -> Result<(), Unwritable> {
        let mut tx = Tx::begin(&self.health).await?;
        let reads_only = sqlx::query_scalar!(
            r#"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
                   AS "reads_only!""#
        )
        .fetch_one(tx.connection())
        .await
        .map_err(StoreError::from)?;
        if reads_only {
            return Err(ErrorKind::ReadOnly.into());
        }
        // The lock that recording takes: it waits as long as recording would, and checks the
        // permissions.
        sqlx::query!(
            "LOCK TABLE event_keys, events, deliveries, chunk_transfers, chunk_buffer
               IN ROW EXCLUSIVE MODE"
        )
        .execute(tx.connection())
        .await
        .map_err(StoreError::from)?;
        tx.rollback().await?;
        self.read_disk().await?;
        Ok(())
    }

    /// Why no connection can be made, by connecting directly: the pool only reports a timeout.
    /// `None` if it works.
    pub async fn connect_error(&self) -> Option<OpenError> {
        let connecting = tokio::time::timeout(TIMEOUT, self.target.connect()).await;
        connecting.ok().and_then(Result::err)
    }
}
