//! Credentials, sealed by the vault.

use std::fmt::Display;

use time::OffsetDateTime;

use super::{Store, StoreError, Tx};
use crate::vault::{KeyId, Label, Sealed};

#[derive(Debug, Clone)]
pub struct Credential {
    pub label: Label,
    pub sealed: Sealed,
}

impl Store {
    /// The master keys in use, each with the number of credentials and rejected requests it seals.
    pub async fn sealed_by_key(&self) -> Result<Vec<(KeyId, u64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT key_id AS "key_id!", count(*) AS "count!"
                 FROM (SELECT key_id FROM credentials
                        UNION ALL
                       SELECT key_id FROM rejected_requests WHERE key_id IS NOT NULL) AS sealed
                GROUP BY key_id ORDER BY key_id"#
        )
        .fetch_all(&self.admin)
        .await?;
        let rows = rows.into_iter();
        Ok(rows.map(|row| (KeyId::stored(row.key_id), row.count.unsigned_abs())).collect())
    }

    /// The names of a source's credentials, each with the key that seals it.
    pub async fn credentials_of(
        &self,
        tenant: &str,
        source: &str,
    ) -> Result<Vec<(String, KeyId)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT name, key_id FROM credentials WHERE tenant = $1 AND source = $2 ORDER BY name",
            tenant,
            source,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(rows.into_iter().map(|row| (row.name, KeyId::stored(row.key_id))).collect())
    }
}

impl Tx<'_> {
    /// Stores or replaces a credential.
    pub async fn put_credential(
        &mut self,
        label: &Label,
        sealed: &Sealed,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO credentials (tenant, source, name, key_id, nonce, ciphertext, sealed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant, source, name) DO UPDATE SET
                 key_id = excluded.key_id, nonce = excluded.nonce,
                 ciphertext = excluded.ciphertext, sealed_at = excluded.sealed_at",
            label.tenant,
            label.source,
            label.name,
            sealed.key_id.as_str(),
            &sealed.nonce[..],
            sealed.ciphertext,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub async fn credential(&mut self, label: &Label) -> Result<Option<Sealed>, StoreError> {
        let row = sqlx::query!(
            "SELECT key_id, nonce, ciphertext FROM credentials
              WHERE tenant = $1 AND source = $2 AND name = $3",
            label.tenant,
            label.source,
            label.name,
        )
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| sealed(("credentials", label), row.key_id, &row.nonce, row.ciphertext))
            .transpose()
    }

    /// Deletes a credential; false if there was none.
    pub async fn delete_credential(&mut self, label: &Label) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM credentials WHERE tenant = $1 AND source = $2 AND name = $3",
            label.tenant,
            label.source,
            label.name,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Locks up to `limit` credentials after `after` that are sealed with another key, by label.
    pub async fn credentials_not_under(
        &mut self,
        key: &KeyId,
        after: Option<&Label>,
        limit: i64,
    ) -> Result<Vec<Credential>, StoreError> {
        let nothing = Label { tenant: String::new(), source: String::new(), name: String::new() };
        let after = after.unwrap_or(&nothing);
        let rows = sqlx::query!(
            "SELECT tenant, source, name, key_id, nonce, ciphertext FROM credentials
              WHERE key_id <> $1 AND (tenant, source, name) > ($2, $3, $4)
              ORDER BY tenant, source, name LIMIT $5
                FOR UPDATE",
            key.as_str(),
            after.tenant,
            after.source,
            after.name,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let credentials = rows.into_iter().map(|row| {
            let label = Label { tenant: row.tenant, source: row.source, name: row.name };
            let sealed = sealed(("credentials", &label), row.key_id, &row.nonce, row.ciphertext)?;
            Ok(Credential { label, sealed })
        });
        credentials.collect()
    }
}

/// Reads a sealed value from the columns of a row.
pub(super) fn sealed(
    (table, row): (&'static str, &dyn Display),
    key_id: String,
    nonce: &[u8],
    ciphertext: Vec<u8>,
) -> Result<Sealed, StoreError> {
    let inconsistent =
        |_| StoreError::Inconsistent { table, column: "nonce", row: row.to_string() };
    let nonce = nonce.try_into().map_err(inconsistent)?;
    Ok(Sealed { key_id: KeyId::stored(key_id), nonce, ciphertext })
}
