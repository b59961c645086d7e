//! Users, and the set-up links with which they choose a password.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{Store, StoreError, Tx, bounded};

/// A user as they are kept.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Identity.
    pub id: i64,
    /// Their name.
    pub name: String,
    /// What they may do, in stored words.
    pub scopes: Vec<String>,
    /// The only tenant whose things they see.
    pub tenant: Option<String>,
    /// Their password as it was hashed.
    pub password: Option<String>,
    /// Since when a code is asked for.
    pub totp_since: Option<OffsetDateTime>,
    /// The issuer that vouches for them.
    pub oidc_issuer: Option<String>,
    /// When they were added.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// When they signed in last.
    pub signed_in_at: Option<OffsetDateTime>,
    /// Since when they cannot sign in.
    pub disabled_at: Option<OffsetDateTime>,
}

/// A user that is to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Their name.
    pub name: &'a str,
    /// What they may do, in stored words.
    pub scopes: &'a [String],
    /// The only tenant whose things they see.
    pub tenant: Option<&'a str>,
    /// When.
    pub at: OffsetDateTime,
    /// By whom.
    pub by: &'a str,
}

/// A link that is good.
#[derive(Debug, Clone, Copy)]
pub struct SetupLinkRow {
    /// For whom; `None` for the first user.
    pub user: Option<i64>,
}

/// A link that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewLink<'a> {
    /// The digest of its token.
    pub digest: TokenDigest,
    /// For whom; `None` for the first user.
    pub user: Option<i64>,
    /// When.
    pub at: OffsetDateTime,
    /// By whom.
    pub by: &'a str,
    /// From when on it is good no longer.
    pub expires_at: OffsetDateTime,
}

/// A name in the one case that names are compared in. It is made here and nowhere else: what a
/// database makes of a letter depends on its locale. What cannot be stored is nobody's name.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace('\0', "\u{fffd}")
}

impl Store {
    /// The user of this name, in whatever case.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn user(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        let user = sqlx::query_as!(
            UserRow,
            "SELECT id, name, scopes, tenant, password, totp_since, oidc_issuer, created_at,
                    created_by, signed_in_at, disabled_at
               FROM users WHERE folded = $1",
            folded(name),
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(user)
    }

    /// Everybody, of `tenant` where one is named, by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn users(&self, tenant: Option<&str>) -> Result<Vec<UserRow>, StoreError> {
        let users = sqlx::query_as!(
            UserRow,
            "SELECT id, name, scopes, tenant, password, totp_since, oidc_issuer, created_at,
                    created_by, signed_in_at, disabled_at
               FROM users WHERE $1::text IS NULL OR tenant = $1 ORDER BY folded",
            tenant,
        )
        .fetch_all(&self.operator)
        .await?;
        Ok(users)
    }

    /// The link of this digest, where it is good, with the name of whom it is for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn setup_link(
        &self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<(SetupLinkRow, Option<String>)>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT l.user_id, p.name AS "name?" FROM setup_links l
                 LEFT JOIN users p ON p.id = l.user_id
                WHERE l.digest = $1 AND l.used_at IS NULL AND l.expires_at > $2
                  AND p.disabled_at IS NULL"#,
            digest.as_bytes(),
            now,
        )
        .fetch_optional(&self.operator)
        .await?;
        Ok(row.map(|row| (SetupLinkRow { user: row.user_id }, row.name)))
    }
}

impl Tx<'_> {
    /// Locks the user of this name, of `tenant` where one is named.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lock_person(
        &mut self,
        name: &str,
        tenant: Option<&str>,
    ) -> Result<Option<UserRow>, StoreError> {
        let user = sqlx::query_as!(
            UserRow,
            "SELECT id, name, scopes, tenant, password, totp_since, oidc_issuer, created_at,
                    created_by, signed_in_at, disabled_at
               FROM users WHERE folded = $1 AND ($2::text IS NULL OR tenant = $2)
                FOR UPDATE",
            folded(name),
            tenant,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(user)
    }

    /// Whether there is anybody. Whoever asks next waits for this transaction.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn lock_whether_anybody(&mut self) -> Result<bool, StoreError> {
        sqlx::query!("LOCK TABLE users, setup_links IN SHARE ROW EXCLUSIVE MODE")
            .execute(self.connection())
            .await?;
        let there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "there!""#)
            .fetch_one(self.connection())
            .await?;
        Ok(there)
    }

    /// Whether a link for the first user is good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn has_first_link(&mut self, now: OffsetDateTime) -> Result<bool, StoreError> {
        let there = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM setup_links
                               WHERE user_id IS NULL AND used_at IS NULL AND expires_at > $1)
                      AS "there!""#,
            now,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(there)
    }

    /// Adds a user; `None` when a user has this name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn insert_person(&mut self, new: &NewUser<'_>) -> Result<Option<i64>, StoreError> {
        let id = sqlx::query_scalar!(
            "INSERT INTO users (name, folded, scopes, tenant, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (folded) DO NOTHING
             RETURNING id",
            new.name,
            folded(new.name),
            new.scopes,
            new.tenant,
            new.at,
            bounded(new.by),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(id)
    }

    /// Sets a password, as it was hashed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_password(&mut self, user: i64, hash: &str) -> Result<(), StoreError> {
        sqlx::query!("UPDATE users SET password = $2 WHERE id = $1", user, hash)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Lets nobody sign in with the password that was, and no issuer vouch for them any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn clear_proofs(&mut self, user: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE users SET password = NULL, oidc_issuer = NULL, oidc_subject = NULL
              WHERE id = $1",
            user,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Says since when a code is asked for; `None` for never.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ask_for_codes(
        &mut self,
        user: i64,
        since: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        sqlx::query!("UPDATE users SET totp_since = $2 WHERE id = $1", user, since)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Takes the code of a time step. False when it or a later one was taken before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn take_code(&mut self, user: i64, step: i64) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2",
            user,
            step,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets since when a user may not sign in; `None` lets them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn set_disabled_at(
        &mut self,
        user: i64,
        since: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        sqlx::query!("UPDATE users SET disabled_at = $2 WHERE id = $1", user, since)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Makes a link. Earlier ones for the same user are good no longer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn insert_link(&mut self, new: &NewLink<'_>) -> Result<(), StoreError> {
        self.expire_links(new.user, new.at).await?;
        sqlx::query!(
            "INSERT INTO setup_links (digest, user_id, created_at, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
            new.digest.as_bytes(),
            new.user,
            new.at,
            bounded(new.by),
            new.expires_at,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Uses a link up; `None` when it is not good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_link(
        &mut self,
        digest: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<SetupLinkRow>, StoreError> {
        let link = sqlx::query!(
            "UPDATE setup_links SET used_at = $2
              WHERE digest = $1 AND used_at IS NULL AND expires_at > $2
             RETURNING user_id",
            digest.as_bytes(),
            now,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(link.map(|link| SetupLinkRow { user: link.user_id }))
    }

    /// Expires the unused links for a user, or those for the first user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn expire_links(
        &mut self,
        user: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE setup_links SET used_at = $2
              WHERE user_id IS NOT DISTINCT FROM $1 AND used_at IS NULL",
            user,
            now,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
