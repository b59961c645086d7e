//! Sessions and sign-in attempts.

use std::net::IpAddr;

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{Store, StoreError, Tx};

/// The idle timeout.
pub(super) const IDLE: time::Duration = time::Duration::minutes(30);
/// The window in which attempts are counted.
const WINDOW: time::Duration = time::Duration::minutes(15);

/// A valid session with its user.
#[derive(Debug, Clone)]
pub struct SessionRow {
    pub user: i64,
    pub name: String,
    pub scopes: Vec<String>,
    /// The tenant they are limited to.
    pub tenant: Option<String>,
    /// Whether two-factor authentication is on.
    pub codes: bool,
    /// Whether they sign in with a password, not by single sign-on.
    pub password: bool,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// The time of the last request.
    pub last_seen_at: OffsetDateTime,
}

/// One of a user's sessions.
#[derive(Debug, Clone)]
pub struct SessionOfUser {
    pub id: i64,
    pub peer: String,
    /// The user agent.
    pub agent: String,
    pub digest: TokenDigest,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// The time of the last request, to the minute.
    pub last_seen_at: OffsetDateTime,
    /// The absolute expiry, whatever the activity.
    pub expires_at: OffsetDateTime,
}

/// A session to create.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    pub digest: TokenDigest,
    pub user: i64,
    pub peer: IpAddr,
    /// The user agent, at most 200 characters.
    pub agent: &'a str,
    pub at: OffsetDateTime,
    /// The absolute expiry, whatever the activity.
    pub expires_at: OffsetDateTime,
}

/// Whether another attempt to sign in is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInAttempt {
    /// Allowed, and recorded in these rows.
    Allowed(Vec<i64>),
    /// Too many; the next one is allowed at this time.
    TooMany(OffsetDateTime),
}

impl Store {
    /// The valid session with this digest.
    pub async fn session(
        &self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<SessionRow>, StoreError> {
        let session = sqlx::query_as!(
            SessionRow,
            r#"SELECT s.user_id AS "user", p.name, p.scopes, p.tenant,
                      p.totp_since IS NOT NULL AS "codes!", p.oidc_issuer IS NULL AS "password!",
                      s.created_at, s.last_seen_at
                 FROM sessions s JOIN users p ON p.id = s.user_id
                WHERE s.digest = $1 AND s.expires_at > $2 AND s.last_seen_at > $3
                  AND p.disabled_at IS NULL"#,
            digest.as_bytes(),
            now,
            now - IDLE,
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(session)
    }

    /// The valid sessions of a user, last used first.
    pub async fn sessions_of(
        &self,
        user: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionOfUser>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, peer, agent, digest, created_at, last_seen_at, expires_at FROM sessions
              WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3
              ORDER BY last_seen_at DESC, created_at DESC",
            user,
            now,
            now - IDLE,
        )
        .fetch_all(&self.admin)
        .await?;
        let sessions = rows.into_iter().map(|row| {
            Ok(SessionOfUser {
                id: row.id,
                peer: row.peer,
                agent: row.agent,
                digest: TokenDigest::stored(&row.digest, "sessions", "one's own")?,
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
            })
        });
        sessions.collect()
    }

    pub async fn touch_session(
        &self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE sessions SET last_seen_at = $2 WHERE digest = $1 AND last_seen_at < $2",
            digest.as_bytes(),
            now,
        )
        .execute(&self.admin)
        .await?;
        Ok(())
    }

    /// Deletes expired sessions, counted attempts and sign-ins.
    pub async fn delete_expired_sessions(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2",
            now,
            now - IDLE,
        )
        .execute(&self.admin)
        .await?;
        sqlx::query!("DELETE FROM sign_in_attempts WHERE at <= $1", now - WINDOW)
            .execute(&self.admin)
            .await?;
        sqlx::query!("DELETE FROM oidc_flows WHERE expires_at <= $1", now)
            .execute(&self.admin)
            .await?;
        sqlx::query!("DELETE FROM devices WHERE expires_at <= $1", now)
            .execute(&self.admin)
            .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Records an attempt under each of these keys, unless one of them has reached its limit of
    /// recent attempts.
    pub async fn record_sign_in_attempt(
        &mut self,
        keys: &[(TokenDigest, usize)],
        now: OffsetDateTime,
    ) -> Result<SignInAttempt, StoreError> {
        // Concurrent attempts must count each other.
        sqlx::query!("LOCK TABLE sign_in_attempts IN SHARE ROW EXCLUSIVE MODE")
            .execute(self.connection())
            .await?;
        let mut recorded = Vec::new();
        for (key, limit) in keys {
            let times = sqlx::query_scalar!(
                "SELECT at FROM sign_in_attempts WHERE key = $1 AND at > $2 ORDER BY at DESC",
                key.as_bytes(),
                now - WINDOW,
            )
            .fetch_all(self.connection())
            .await?;
            if let Some(earliest) = times.get(limit.saturating_sub(1)) {
                return Ok(SignInAttempt::TooMany(*earliest + WINDOW));
            }
            let id = sqlx::query_scalar!(
                "INSERT INTO sign_in_attempts (key, at) VALUES ($1, $2) RETURNING id",
                key.as_bytes(),
                now,
            )
            .fetch_one(self.connection())
            .await?;
            recorded.push(id);
        }
        Ok(SignInAttempt::Allowed(recorded))
    }

    /// Deletes the attempts under a key, and those with these ids.
    pub async fn delete_attempts(
        &mut self,
        key: &TokenDigest,
        recorded: &[i64],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM sign_in_attempts WHERE key = $1 OR id = ANY($2)",
            key.as_bytes(),
            recorded,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub async fn delete_attempt(&mut self, recorded: i64) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM sign_in_attempts WHERE id = $1", recorded)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    pub async fn insert_session(&mut self, new: &NewSession<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO sessions (digest, user_id, peer, agent, created_at, last_seen_at,
                                   expires_at)
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
            new.digest.as_bytes(),
            new.user,
            new.peer.to_string(),
            new.agent,
            new.at,
            new.expires_at,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!("UPDATE users SET signed_in_at = $2 WHERE id = $1", new.user, new.at)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Ends a session; false if there was none.
    pub async fn end_session(&mut self, digest: &TokenDigest) -> Result<bool, StoreError> {
        let done = sqlx::query!("DELETE FROM sessions WHERE digest = $1", digest.as_bytes())
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a user's session by its id, and returns the digest of its token.
    pub async fn end_session_of(
        &mut self,
        user: i64,
        id: i64,
    ) -> Result<Option<TokenDigest>, StoreError> {
        let digest = sqlx::query_scalar!(
            "DELETE FROM sessions WHERE user_id = $1 AND id = $2 RETURNING digest",
            user,
            id,
        )
        .fetch_optional(self.connection())
        .await?;
        digest.map(|digest| TokenDigest::stored(&digest, "sessions", &id.to_string())).transpose()
    }

    /// Ends every session of a user except this one; returns their number.
    pub async fn end_other_sessions(
        &mut self,
        user: i64,
        own: &TokenDigest,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM sessions WHERE user_id = $1 AND digest <> $2",
            user,
            own.as_bytes(),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }

    /// Ends every session of a user; returns their number.
    pub async fn end_sessions_of(&mut self, user: i64) -> Result<u64, StoreError> {
        let done = sqlx::query!("DELETE FROM sessions WHERE user_id = $1", user)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected())
    }
}
