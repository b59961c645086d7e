//! API keys. Only their digests are stored.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{Store, StoreError, Tx, bounded};

/// The maximum number of keys a gateway caches for when the database is unavailable.
const REMEMBERED: i64 = 1000;

/// A stored key.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// The public id.
    pub id: String,
    /// The digest of the key.
    pub digest: TokenDigest,
    /// The name.
    pub name: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The tenant it is limited to.
    pub tenant: Option<String>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// Who created it.
    pub created_by: String,
    /// When it expires.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// Who revoked it.
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
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn api_key(&self, id: &str) -> Result<Option<ApiKeyRow>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys WHERE id = $1",
            id,
        )
        .fetch_optional(&self.operator)
        .await?;
        row.map(Row::read).transpose()
    }

    /// The keys that are good now, the last used first; a thousand at most.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn good_api_keys(&self, now: OffsetDateTime) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys
              WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
              ORDER BY last_used_at DESC NULLS LAST, id LIMIT $2",
            now,
            REMEMBERED,
        )
        .fetch_all(&self.operator)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// All keys, or those of `tenant`, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn api_keys(&self, tenant: Option<&str>) -> Result<Vec<ApiKeyRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, digest, name, scopes, tenant, created_at, created_by, expires_at,
                    last_used_at, revoked_at, revoked_by
               FROM api_keys WHERE $1::text IS NULL OR tenant = $1
              ORDER BY created_at DESC, id",
            tenant,
        )
        .fetch_all(&self.operator)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Records the last uses of keys, each at most once a minute.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_api_keys(&self, used: &[(String, OffsetDateTime)]) -> Result<(), StoreError> {
        let (ids, times): (Vec<_>, Vec<_>) = used.iter().cloned().unzip();
        sqlx::query!(
            "UPDATE api_keys k SET last_used_at = u.at
               FROM UNNEST($1::text[], $2::timestamptz[]) AS u (id, at)
              WHERE k.id = u.id
                AND (k.last_used_at IS NULL OR k.last_used_at <= u.at - interval '1 minute')",
            &ids,
            &times,
        )
        .execute(&self.operator)
        .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Creates a key. False if a key that is not revoked has the name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
