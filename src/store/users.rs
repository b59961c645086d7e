//! Users, and the set-up links with which they choose a password.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{Store, StoreError, Tx, bounded};

/// A stored user.
#[derive(Debug, Clone)]
pub struct UserRow {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<String>,
    /// The tenant they are limited to.
    pub tenant: Option<String>,
    /// The hash of their password.
    pub password: Option<String>,
    /// When two-factor authentication was enabled.
    pub totp_since: Option<OffsetDateTime>,
    /// The single sign-on issuer.
    pub oidc_issuer: Option<String>,
    /// When they were invited.
    pub created_at: OffsetDateTime,
    pub created_by: String,
    pub signed_in_at: Option<OffsetDateTime>,
    pub disabled_at: Option<OffsetDateTime>,
}

/// A user to add.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    pub name: &'a str,
    pub scopes: &'a [String],
    /// The tenant they are limited to.
    pub tenant: Option<&'a str>,
    pub at: OffsetDateTime,
    pub by: &'a str,
}

/// A valid set-up link.
#[derive(Debug, Clone, Copy)]
pub struct SetupLinkRow {
    /// The user it is for; `None` for the first user.
    pub user: Option<i64>,
}

/// A set-up link to make.
#[derive(Debug, Clone, Copy)]
pub struct NewLink<'a> {
    pub digest: TokenDigest,
    /// The user it is for; `None` for the first user.
    pub user: Option<i64>,
    pub at: OffsetDateTime,
    pub by: &'a str,
    pub expires_at: OffsetDateTime,
}

/// A name in the case in which names are compared. Not left to the database, whose result depends
/// on its locale. NUL, which cannot be stored, is replaced.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace('\0', "\u{fffd}")
}

impl Store {
    /// The user with this name, ignoring case.
    pub async fn user(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        let user = sqlx::query_as!(
            UserRow,
            "SELECT id, name, scopes, tenant, password, totp_since, oidc_issuer, created_at,
                    created_by, signed_in_at, disabled_at
               FROM users WHERE folded = $1",
            folded(name),
        )
        .fetch_optional(&self.admin)
        .await?;
        Ok(user)
    }

    /// All users, or those of `tenant`, by name.
    pub async fn users(&self, tenant: Option<&str>) -> Result<Vec<UserRow>, StoreError> {
        let users = sqlx::query_as!(
            UserRow,
            "SELECT id, name, scopes, tenant, password, totp_since, oidc_issuer, created_at,
                    created_by, signed_in_at, disabled_at
               FROM users WHERE $1::text IS NULL OR tenant = $1 ORDER BY folded",
            tenant,
        )
        .fetch_all(&self.admin)
        .await?;
        Ok(users)
    }

    /// The valid link with this digest, with the name of its user.
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
        .fetch_optional(&self.admin)
        .await?;
        Ok(row.map(|row| (SetupLinkRow { user: row.user_id }, row.name)))
    }
}

impl Tx<'_> {
    /// Locks the user with this name, of `tenant` if given.
    pub async fn lock_user(
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

    /// Whether there is any user. Other callers wait for this transaction.
    pub async fn lock_users_exist(&mut self) -> Result<bool, StoreError> {
        sqlx::query!("LOCK TABLE users, setup_links IN SHARE ROW EXCLUSIVE MODE")
            .execute(self.connection())
            .await?;
        let there = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "there!""#)
            .fetch_one(self.connection())
            .await?;
        Ok(there)
    }

    /// Whether there is a valid link for the first user.
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

    /// Adds a user; `None` if the name is taken.
    pub async fn insert_user(&mut self, new: &NewUser<'_>) -> Result<Option<i64>, StoreError> {
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

    /// Sets the hash of a password.
    pub async fn set_password(&mut self, user: i64, hash: &str) -> Result<(), StoreError> {
        sqlx::query!("UPDATE users SET password = $2 WHERE id = $1", user, hash)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Removes the password and the single sign-on link.
    pub async fn clear_sign_in_methods(&mut self, user: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE users SET password = NULL, oidc_issuer = NULL, oidc_subject = NULL
              WHERE id = $1",
            user,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Sets when two-factor authentication was turned on; `None` turns it off.
    pub async fn set_totp_since(
        &mut self,
        user: i64,
        since: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        sqlx::query!("UPDATE users SET totp_since = $2 WHERE id = $1", user, since)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Uses the code of a time step. False if it or a later one was used before.
    pub async fn use_totp_step(&mut self, user: i64, step: i64) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2",
            user,
            step,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets when a user was disabled; `None` enables them.
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

    /// Makes a link and expires earlier ones for the same user.
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

    /// Uses a link; `None` if it is not valid.
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
