//! The password of a signed-in user: checked again before a change to their account, and changed.

use super::Access;
use super::attempts::{Client, remember_device};
use super::password::check_choice;
use super::sessions::{BegunSession, Session, begin};
use super::sign_in_error::SignInError;
use crate::store::{Tx, UserRow};

impl Access {
    /// Changes one's own password: all sessions end and a new one begins.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] for a wrong old password;
    /// [`AdminError::Invalid`](crate::admin::AdminError::Invalid) for a new password that is not
    /// accepted.
    pub async fn change_password(
        &self,
        session: &Session,
        old: &str,
        new: &str,
        from: &Client<'_>,
    ) -> Result<BegunSession, SignInError> {
        check_choice(&session.name, new)?;
        let user = self.check_password_again(session, old, from).await?;
        let hash = self.passwords.hash(new).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        lock_unchanged(&mut tx, &user).await?;
        tx.set_password(user.id, &hash).await?;
        tx.end_sessions_of(user.id).await?;
        tx.delete_devices(user.id).await?;
        let mut begun = begin(&mut tx, &user, now, ("change password", ""), from).await?;
        begun.device = Some(remember_device(&mut tx, &user, now, from).await?);
        tx.commit(()).await?;
        self.cache_session(&begun);
        Ok(begun)
    }

    /// Checks the password of a signed-in user again.
    pub(super) async fn check_password_again(
        &self,
        session: &Session,
        password: &str,
        from: &Client<'_>,
    ) -> Result<UserRow, SignInError> {
        let key = self.note_password_check(session.user).await?;
        let user = self.store.user(&session.name).await?;
        let hash = user.as_ref().and_then(|user| user.password.as_deref());
        let right = self.passwords.check(password, hash).await;
        let Some(user) = user.filter(|_| right) else {
            let target = format!("session of user {}", session.name);
            self.note_refusal(None, from.peer, &target, "wrong password").await;
            return Err(SignInError::Wrong);
        };
        let mut tx = self.store.begin().await?;
        tx.delete_attempts(&key, &[]).await?;
        tx.commit(()).await?;
        Ok(user)
    }
}

/// Locks a user whose password was just checked. Fails if an administrator reset or disabled them
/// while it was being checked.
pub(super) async fn lock_unchanged(tx: &mut Tx<'_>, user: &UserRow) -> Result<(), SignInError> {
    let now = tx.lock_user(&user.name, None).await?;
    let same = now.is_some_and(|now| {
        now.id == user.id && now.password == user.password && now.disabled_at.is_none()
    });
    if same { Ok(()) } else { Err(SignInError::Wrong) }
}
