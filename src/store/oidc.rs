//! Sign-ins that are under way at an `OpenID Connect` issuer, and the users it vouches for.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{StoreError, Tx, UserRow};

/// A sign-in that begins.
#[derive(Debug, Clone, Copy)]
pub struct NewFlow<'a> {
    /// The digest of its state.
    pub digest: TokenDigest,
    /// Where the browser goes on to.
    pub next: &'a str,
    /// The attempt that it was counted as.
    pub attempt: i64,
    /// From when on it is too late.
    pub expires_at: OffsetDateTime,
}

/// A sign-in that has come back.
#[derive(Debug, Clone)]
pub struct OidcFlowRow {
    /// Where the browser goes on to.
    pub next: String,
    /// The attempt that it was counted as.
    pub attempt: i64,
}

impl Tx<'_> {
    /// Notes a sign-in, where fewer than `most` are under way; says whether it did. What began
    /// before it in another transaction counts too, once that holds the attempts
    /// ([`Tx::attempt`]).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn insert_flow(
        &mut self,
        new: &NewFlow<'_>,
        most: i64,
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
            most,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a sign-in out; `None` where it was taken before, is too late, or never was.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take_flow(
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

    /// Locks the user for whom an issuer vouches.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// Has an issuer vouch for a user from now on, who has no password and asks for no code.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
