//! Browsers known from an earlier sign-in.

use time::OffsetDateTime;

use super::token::TokenDigest;
use super::{StoreError, Tx};

impl Tx<'_> {
    /// Whether a user has signed in with this browser before.
    pub async fn is_known_device(
        &mut self,
        user: i64,
        device: &TokenDigest,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM devices
                               WHERE digest = $1 AND user_id = $2 AND expires_at > $3)
                      AS "there!""#,
            device.as_bytes(),
            user,
            now,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(known)
    }

    /// Remembers a browser. Only the `max` last used ones of a user are remembered.
    pub async fn remember_device(
        &mut self,
        user: i64,
        device: &TokenDigest,
        (now, until): (OffsetDateTime, OffsetDateTime),
        max: i64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO devices (digest, user_id, used_at, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (digest) DO UPDATE SET used_at = $3, expires_at = $4",
            device.as_bytes(),
            user,
            now,
            until,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "DELETE FROM devices WHERE user_id = $1 AND digest NOT IN
                    (SELECT digest FROM devices WHERE user_id = $1
                      ORDER BY used_at DESC, digest LIMIT $2)",
            user,
            max,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets all browsers of a user.
    pub async fn delete_devices(&mut self, user: i64) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM devices WHERE user_id = $1", user)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
