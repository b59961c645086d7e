//! The token of the operator listener, where the configuration names none. Only its digest is
//! here.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::{Store, StoreError, Tx, bounded};

/// The SHA-256 of a token: tokens are long and random, so that nothing slower is needed.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

/// A token that was made, by its digest.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// Its digest.
    pub digest: TokenDigest,
    /// When.
    pub at: OffsetDateTime,
    /// By whom.
    pub by: &'a str,
}

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether both are of the same token, in time that does not depend on them.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest")
    }
}

impl Store {
    /// The digest of the token that is good; `None` where none was made.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn operator_token(&self) -> Result<Option<TokenDigest>, StoreError> {
        let digest =
            sqlx::query_scalar!("SELECT digest FROM operator_tokens WHERE revoked_at IS NULL")
                .fetch_optional(&self.operator)
                .await?;
        digest
            .map(|digest| {
                let digest = digest.try_into().map_err(|_| StoreError::Inconsistent {
                    table: "operator_tokens",
                    column: "digest",
                    row: "that is good".to_owned(),
                })?;
                Ok(TokenDigest(digest))
            })
            .transpose()
    }

    /// When and by whom the token that is good was made.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn operator_token_origin(
        &self,
    ) -> Result<Option<(OffsetDateTime, String)>, StoreError> {
        let row = sqlx::query!(
            "SELECT created_at, created_by FROM operator_tokens WHERE revoked_at IS NULL"
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(row.map(|row| (row.created_at, row.created_by)))
    }
}

impl Tx<'_> {
    /// Makes the first token. False when there was one already: of several gateways that start
    /// together one has made it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn first_operator_token(&mut self, new: &NewToken<'_>) -> Result<bool, StoreError> {
        self.lock_operator_tokens().await?;
        let there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM operator_tokens) AS "t!""#)
            .fetch_one(self.connection())
            .await?;
        if !there {
            self.insert_operator_token(new).await?;
        }
        Ok(!there)
    }

    /// Makes a token and revokes the one that was good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn replace_operator_token(&mut self, new: &NewToken<'_>) -> Result<(), StoreError> {
        self.lock_operator_tokens().await?;
        sqlx::query!("UPDATE operator_tokens SET revoked_at = $1 WHERE revoked_at IS NULL", new.at)
            .execute(self.connection())
            .await?;
        self.insert_operator_token(new).await
    }

    /// Whoever comes second sees what the first has done.
    async fn lock_operator_tokens(&mut self) -> Result<(), StoreError> {
        sqlx::query!("LOCK TABLE operator_tokens IN SHARE ROW EXCLUSIVE MODE")
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn insert_operator_token(&mut self, new: &NewToken<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO operator_tokens (digest, created_at, created_by) VALUES ($1, $2, $3)",
            &new.digest.0[..],
            new.at,
            bounded(new.by),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
