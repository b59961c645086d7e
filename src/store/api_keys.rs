//! API keys. Only their digests are stored.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{Store, StoreError, Tx, bounded};

/// The maximum number of keys a gateway caches for when the database is unavailable.
const MAX_CACHED: i64 = 1000;

/// A stored key.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// The public id.
    pub id: String,
    pub digest: TokenDigest,
    pub name: String,
    pub scopes: Vec<String>,
    /// The tenant it is limited to.
    pub tenant: Option<String>,
    pub created_at: OffsetDateTime,
    pub created_by: String,
    pub expires_at: Option<OffsetDateTime>,
    pub last_used_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    pub revoked_by: Option<String>,
}

/// A row of the table.
struct Row {
    id: String,
    digest: Vec<u8>,
    name: String,
    scopes: Vec<String>,
    tenant: Option<String>,
    created_at: OffsetDateTime,
    created_by: String,
    expires_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    revoked_by: Option<String>,
}

impl Row {
    fn read(self) -> Result<ApiKeyRow, StoreError> {
        Ok(ApiKeyRow {
            digest: TokenDigest::stored(&self.digest, "api_keys", &self.id)?,
            id: self.id,
            name: self.name,
            scopes: self.scopes,
            tenant: self.tenant,
            created_at: self.created_at,
            created_by: self.created_by,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
            revoked_by: self.revoked_by,
        })
    }
}

impl Store {
    /// The key with this id, valid or not.
    pub async fn api_key(&self, id: &str) -> Result<Option<ApiKeyRow>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys WHERE id = $1",
            id,
        )
        .fetch_optional(&self.admin)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Valid keys, last used first; at most a thousand.
    pub async fn valid_api_keys(&self, now: OffsetDateTime) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys
              WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
              ORDER BY last_used_at DESC NULLS LAST, id LIMIT $2",
            now,
            MAX_CACHED,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// All keys, or those of `tenant`, newest first.
    pub async fn api_keys(&self, tenant: Option<&str>) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys WHERE $1::text IS NULL OR tenant = $1
              ORDER BY created_at DESC, id",
            tenant,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Records the last uses of keys, each at most once a minute.
    pub async fn record_api_key_uses(
        &self,
        used: &[(String, OffsetDateTime)],
    ) -> Result<(), StoreError> {
        let (ids, times): (Vec<_>, Vec<_>) = used.iter().cloned().unzip();
        sqlx::query!(
            "UPDATE api_keys k SET last_used_at = u.at
               FROM UNNEST($1::text[], $2::timestamptz[]) AS u (id, at)
              WHERE k.id = u.id
                AND (k.last_used_at IS NULL OR k.last_used_at <= u.at - interval '1 minute')",
            &ids,
            &times,
        )
        .execute(&self.admin)
        .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Creates a key. False if a key that is not revoked has the name.
    pub async fn insert_api_key(&mut self, key: &ApiKeyRow) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO api_keys
                    (id, digest, name, scopes, tenant, created_at, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
            key.id,
            key.digest.as_bytes(),
            key.name,
            &key.scopes,
            key.tenant,
            key.created_at,
            bounded(&key.created_by),
            key.expires_at,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Locks the key with this id, of `tenant` if given.
    pub async fn lock_api_key(
        &mut self,
        id: &str,
        tenant: Option<&str>,
    ) -> Result<Option<ApiKeyRow>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)
                FOR UPDATE",
            id,
            tenant,
        )
        .fetch_optional(self.connection())
        .await?;
        row.map(Row::read).transpose()
    }

    /// Revokes a key.
    pub async fn revoke_api_key(
        &mut self,
        id: &str,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE api_keys SET revoked_at = $2, revoked_by = $3
              WHERE id = $1 AND revoked_at IS NULL",
            id,
            now,
            bounded(by),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Revokes and returns every key that `actor` created, and every key created with one of those.
    pub async fn revoke_api_keys_made_by(
        &mut self,
        actor: &str,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        // The name of a revoked key can be used again: what counts is which key had it at the time.
        let rows = sqlx::query_as!(
            Row,
            r#"WITH RECURSIVE made AS (
                   SELECT id, name, created_at, revoked_at FROM api_keys WHERE created_by = $1
                   UNION
                   SELECT k.id, k.name, k.created_at, k.revoked_at
                     FROM api_keys k JOIN made m ON k.created_by = 'key:' || m.name
                      AND k.created_at BETWEEN m.created_at AND COALESCE(m.revoked_at, 'infinity')
               )
               UPDATE api_keys SET revoked_at = $2, revoked_by = $3
                WHERE id IN (SELECT id FROM made) AND revoked_at IS NULL
               RETURNING id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                         last_used_at, revoked_at, revoked_by"#,
            bounded(actor),
            now,
            bounded(by),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(Row::read).collect()
    }
}
