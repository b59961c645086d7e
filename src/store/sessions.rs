//! Sessions and sign-in attempts.

use std::net::IpAddr;

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{Store, StoreError, Tx};

/// How long a user may be silent.
pub(super) const IDLE: time::Duration = time::Duration::minutes(30);
/// The span of time in which attempts are counted.
const COUNTED: time::Duration = time::Duration::minutes(15);

/// A session that is good, with whose it is.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// The user.
    pub user: i64,
    /// Their name.
    pub name: String,
    /// What they may do, in stored words.
    pub scopes: Vec<String>,
    /// The only tenant whose things they see.
    pub tenant: Option<String>,
    /// Whether a code is asked for when they sign in.
    pub codes: bool,
    /// Whether they have a password here, and not an issuer that vouches for them.
    pub password: bool,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// When they last asked for something.
    pub last_seen_at: OffsetDateTime,
}

/// One of a user's sessions.
#[derive(Debug, Clone)]
pub struct SessionOfUser {
    /// What it is called.
    pub id: i64,
    /// The address that they signed in from.
    pub peer: String,
    /// What their browser said of itself.
    pub agent: String,
    /// The digest of its token.
    pub digest: TokenDigest,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// When they last asked for something, to the minute.
    pub last_seen_at: OffsetDateTime,
    /// When it ends whatever they do.
    pub expires_at: OffsetDateTime,
}

/// A session that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// The digest of its token.
    pub digest: TokenDigest,
    /// Whose it is.
    pub user: i64,
    /// The address that they sign in from.
    pub peer: IpAddr,
    /// What their browser says of itself: at most 200 characters.
    pub agent: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// When it ends whatever they do.
    pub expires_at: OffsetDateTime,
}

/// Whether another attempt to sign in is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It is, and was noted as these rows.
    Allowed(Vec<i64>),
    /// Not before this time.
    TooMany(OffsetDateTime),
}

impl Store {
    /// The session of this digest, where it is good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .fetch_optional(&self.operator)
        .await?;
        Ok(session)
    }

    /// The sessions of a user that are good, the one that was used last first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .fetch_all(&self.operator)
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

    /// Notes that a user asked for something.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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
        .execute(&self.operator)
        .await?;
        Ok(())
    }

    /// Deletes what has ended: sessions, counted attempts, sign-ins that never came back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_sessions(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2",
            now,
            now - IDLE,
        )
        .execute(&self.operator)
        .await?;
        sqlx::query!("DELETE FROM sign_in_attempts WHERE at <= $1", now - COUNTED)
            .execute(&self.operator)
            .await?;
        sqlx::query!("DELETE FROM oidc_flows WHERE expires_at <= $1", now)
            .execute(&self.operator)
            .await?;
        sqlx::query!("DELETE FROM devices WHERE expires_at <= $1", now)
            .execute(&self.operator)
            .await?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Notes an attempt under each of these keys, where none of them has had as many lately as
    /// stands beside it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn attempt(
        &mut self,
        keys: &[(TokenDigest, usize)],
        now: OffsetDateTime,
    ) -> Result<Attempt, StoreError> {
        // Of many at once each counts those before it.
        sqlx::query!("LOCK TABLE sign_in_attempts IN SHARE ROW EXCLUSIVE MODE")
            .execute(self.connection())
            .await?;
        let mut noted = Vec::new();
        for (key, most) in keys {
            let times = sqlx::query_scalar!(
                "SELECT at FROM sign_in_attempts WHERE key = $1 AND at > $2 ORDER BY at DESC",
                key.as_bytes(),
                now - COUNTED,
            )
            .fetch_all(self.connection())
            .await?;
            if let Some(earliest) = times.get(most.saturating_sub(1)) {
                return Ok(Attempt::TooMany(*earliest + COUNTED));
            }
            let id = sqlx::query_scalar!(
                "INSERT INTO sign_in_attempts (key, at) VALUES ($1, $2) RETURNING id",
                key.as_bytes(),
                now,
            )
            .fetch_one(self.connection())
            .await?;
            noted.push(id);
        }
        Ok(Attempt::Allowed(noted))
    }

    /// Deletes the attempts under a key, and these.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_attempts(
        &mut self,
        key: &TokenDigest,
        noted: &[i64],
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM sign_in_attempts WHERE key = $1 OR id = ANY($2)",
            key.as_bytes(),
            noted,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Deletes one attempt.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_attempt(&mut self, noted: i64) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM sign_in_attempts WHERE id = $1", noted)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// Ends a session; says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_session(&mut self, digest: &TokenDigest) -> Result<bool, StoreError> {
        let done = sqlx::query!("DELETE FROM sessions WHERE digest = $1", digest.as_bytes())
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the session of a user that is called so; says whether there was one, and gives the
    /// digest of its token.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// Ends every session of a user but this one; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
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

    /// Ends every session of a user; gives how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_sessions_of(&mut self, user: i64) -> Result<u64, StoreError> {
        let done = sqlx::query!("DELETE FROM sessions WHERE user_id = $1", user)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected())
    }
}
