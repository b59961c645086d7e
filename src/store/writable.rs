//! Whether what is received can be recorded, judged by what the server says of itself, by the
//! tables and by the writers' last commits.

use std::time::Duration;

use super::{OpenError, Store, StoreError, Trouble, Tx};

/// How long the answer may take.
const WITHIN: Duration = Duration::from_secs(2);
/// How many connections may rest that are kept to ask.
const RESTING: usize = 2;

/// Why nothing can be recorded now.
#[derive(Debug, thiserror::Error)]
#[error("{trouble}")]
pub struct Unwritable {
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// What the database said, if it was asked in vain.
    #[source]
    error: Option<StoreError>,
}

impl Unwritable {
    fn has_lost_its_connection(&self) -> bool {
        let lost = |error: &sqlx::Error| {
            matches!(error, sqlx::Error::Io(_)) || Trouble::of(error) == Trouble::Restarting
        };
        matches!(&self.error, Some(StoreError::Unavailable(Some(error))) if lost(error))
    }
}

impl From<StoreError> for Unwritable {
    fn from(error: StoreError) -> Self {
        Self { trouble: error.trouble(), error: Some(error) }
    }
}

impl From<Trouble> for Unwritable {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, error: None }
    }
}

impl Store {
    /// Checks that recording can work now: that the server is there and writes, that nobody has
    /// locked the tables, and that no writer's last commit has failed just now.
    ///
    /// # Errors
    /// [`Unwritable`] says what is in the way.
    pub async fn fitness(&self) -> Result<(), Unwritable> {
        let asking = async {
            let mut asked = self.ask().await;
            // Connections that rested may be gone, and another one be there to be had.
            for _ in 0..RESTING {
                if !matches!(&asked, Err(unfit) if unfit.has_lost_its_connection()) {
                    break;
                }
                asked = self.ask().await;
            }
            asked
        };
        let asked = tokio::time::timeout(WITHIN, asking).await;
        asked.unwrap_or_else(|_| Err(StoreError::timed_out().into()))?;
        self.commits.failing().map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    async fn ask(&self) -> Result<(), Unwritable> {
        let mut tx = Tx::begin(&self.health).await?;
        let reads_only = sqlx::query_scalar!(
            r#"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
                   AS "reads_only!""#
        )
        .fetch_one(tx.connection())
        .await
        .map_err(StoreError::from)?;
        if reads_only {
            return Err(Trouble::ReadOnly.into());
        }
        // The lock that recording takes: it waits for whoever recording waits for, and tells what
        // the role may not do.
        sqlx::query!(
            "LOCK TABLE event_keys, events, deliveries, chunk_transfers, chunk_buffer
               IN ROW EXCLUSIVE MODE"
        )
        .execute(tx.connection())
        .await
        .map_err(StoreError::from)?;
        Ok(tx.rollback().await?)
    }

    /// Why there is no connection to be had: asked of the server itself, since a pool only says
    /// that it waited in vain. `None` where there is one.
    pub async fn why_unreachable(&self) -> Option<OpenError> {
        let connecting = tokio::time::timeout(WITHIN, self.target.connect()).await;
        connecting.ok().and_then(Result::err)
    }
}
