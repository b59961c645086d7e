//! Sign-ins in progress at an `OpenID Connect` issuer, and the users linked to it.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{StoreError, Tx, UserRow};

/// A sign-in to start.
#[derive(Debug, Clone, Copy)]
pub struct NewFlow<'a> {
    /// The digest of its `state` parameter.
    pub digest: TokenDigest,
    /// Where the browser is redirected afterwards.
    pub next: &'a str,
    /// The sign-in attempt it is counted as.
    pub attempt: i64,
    pub expires_at: OffsetDateTime,
}

/// A sign-in in progress.
#[derive(Debug, Clone)]
pub struct OidcFlowRow {
    /// Where the browser is redirected afterwards.
    pub next: String,
    /// The sign-in attempt it is counted as.
    pub attempt: i64,
}

impl Tx<'_> {
    /// Stores a sign-in, unless `max` are in progress; false then. To count concurrent ones too,
    /// the transaction must hold the lock of [`Tx::record_sign_in_attempt`].
    pub async fn insert_flow(
        &mut self,
        new: &NewFlow<'_>,
        max: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO oidc_flows (digest, next, attempt, expires_at)
             SELECT $1, $2, $3, $4
              WHERE (SELECT count(*) FROM oidc_flows WHERE expires_at > $5) < $6",
            new.digest.as_bytes(),
            new.next,
            new.attempt,
            new.expires_at,
            now,
            max,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a sign-in; `None` if it was used before, has expired, or never existed.
    pub async fn use_flow(
        &mut self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<OidcFlowRow>, StoreError> {
        let flow = sqlx::query_as!(
            OidcFlowRow,
            "DELETE FROM oidc_flows WHERE digest = $1 AND expires_at > $2
             RETURNING next, attempt",
            digest.as_bytes(),
            now,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(flow)
    }

    /// Locks the user linked to this subject of an issuer.
    pub async fn lock_subject(
        &mut self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserRow>, StoreError> {
        let user = sqlx::query_as!(
            UserRow,
            "SELECT id, name, scopes, tenant, password, totp_since, oidc_issuer, created_at,
                    created_by, signed_in_at, disabled_at
               FROM users WHERE oidc_issuer = $1 AND oidc_subject = $2
                FOR UPDATE",
            issuer,
            subject,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(user)
    }

    /// Links a user to a subject of an issuer. They must have no password and no two-factor
    /// authentication.
    pub async fn link_user(
        &mut self,
        user: i64,
        issuer: &str,
        subject: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE users SET oidc_issuer = $2, oidc_subject = $3 WHERE id = $1",
            user,
            issuer,
            subject,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
