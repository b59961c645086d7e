//! Detects data restored from another server whose transaction counter was ahead.

use super::{Store, StoreError};

impl Store {
    /// By how many transactions the data is ahead of the server; more than 0 if it was dumped
    /// elsewhere and restored here. Until the server has caught up, the stream does not show these
    /// rows.
    pub async fn transactions_ahead(&self) -> Result<u64, StoreError> {
        let ahead = sqlx::query_scalar!(
            r#"
            SELECT COALESCE(max(xact), 0)
                   - pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1 AS "ahead!"
              FROM (
                (SELECT xact::text::bigint AS xact FROM events ORDER BY events.xact DESC LIMIT 1)
                 UNION ALL
                (SELECT xact::text::bigint FROM attempts ORDER BY attempts.xact DESC LIMIT 1)
                 UNION ALL
                (SELECT xact::text::bigint FROM operator_actions
                  ORDER BY operator_actions.xact DESC LIMIT 1)
              ) AS newest
            "#
        )
        .fetch_one(&self.admin)
        .await?;
        Ok(u64::try_from(ahead).unwrap_or(0))
    }
}
