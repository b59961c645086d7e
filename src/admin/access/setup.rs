//! Set-up links: by one of them a user chooses a password, once.

use time::{Duration, OffsetDateTime};
use tracing::info;
use zeroize::Zeroizing;

use super::attempts::{Client, remember_device};
use super::password::check_choice;
use super::sessions::{BegunSession, audit, begin, random};
use super::users::{Ended, audit_grant};
use super::{Access, check_free, check_name, words};
use crate::admin::{AdminError, Caller, Scope, Scopes};
use crate::store::{NewLink, NewUser, StoreError, TokenDigest, Tx, UserRow};

/// How long a link is good.
const GOOD_FOR: Duration = Duration::hours(24);
/// Who makes the first link.
const FIRST: &str = "sealpost serve";

/// A link for a user, to be shown once.
#[derive(Debug)]
pub struct Invitation {
    /// What the link ends in: `/setup?token=`, and this.
    pub token: Zeroizing<String>,
    /// From when on it is good no longer.
    pub expires_at: OffsetDateTime,
    /// What ended with the way in that it takes the place of.
    pub ended: Ended,
}

/// What is known of a link that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupLink {
    /// For whom it is; `None` for the first user, who also chooses a name.
    pub name: Option<String>,
}

impl Access {
    /// The link for the first user, where there is nobody yet; `None` where there is, or where
    /// another gateway, or this one earlier, has made a link that is still good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_invitation(&self) -> Result<Option<Invitation>, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if tx.lock_whether_anybody().await? || tx.has_first_link(now).await? {
            return Ok(None);
        }
        let invitation = Self::invite(&mut tx, None, now, FIRST).await?;
        tx.commit(()).await?;
        Ok(Some(invitation))
    }

    /// What a link is about.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] where it is not good; [`AdminError::Store`].
    pub async fn setup_link(&self, token: &str) -> Result<SetupLink, AdminError> {
        let digest = TokenDigest::of(token.as_bytes());
        let link = self.store.setup_link(&digest, self.clock.now()).await?;
        link.map(|(_, name)| SetupLink { name }).ok_or_else(spent)
    }

    /// Uses a link: chooses a password, and for the first user a name. Signs them in, unless a
    /// code is asked for: then they do that themselves.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] where the link is not good; [`AdminError::Invalid`] for a
    /// name or a password that is not taken; [`AdminError::Conflict`] where a user has this
    /// name; [`AdminError::Store`]. The link stays good then.
    pub async fn set_up(
        &self,
        token: &str,
        name: Option<&str>,
        password: &str,
        from: &Client<'_>,
    ) -> Result<Option<BegunSession>, AdminError> {
        let about = self.setup_link(token).await?;
        let name = about.name.as_deref().or(name).unwrap_or_default().trim().to_owned();
        check_name("a user", &name)?;
        check_choice(&name, password)?;
        if about.name.is_none() {
            check_free(&name)?;
        }
        let hash = self.passwords.hash(password).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let anybody = tx.lock_whether_anybody().await?;
        let digest = TokenDigest::of(token.as_bytes());
        let link = tx.use_link(&digest, now).await?.ok_or_else(spent)?;
        if link.user.is_none() {
            if anybody {
                return Err(spent());
            }
            insert_first(&mut tx, &name, now, from).await?;
        }
        let user = tx.lock_person(&name, None).await?;
        let user = user
            .filter(|user| user.disabled_at.is_none() && link.user.is_none_or(|id| id == user.id));
        let user = user.ok_or_else(spent)?;
        tx.set_password(user.id, &hash).await?;
        tx.end_sessions_of(user.id).await?;
        let begun = self.welcome(&mut tx, &user, now, from).await?;
        tx.commit(()).await?;
        if let Some(begun) = &begun {
            self.remember(begun);
        }
        info!(user = user.name, "password set");
        Ok(begun)
    }

    async fn welcome(
        &self,
        tx: &mut Tx<'_>,
        user: &UserRow,
        now: OffsetDateTime,
        from: &Client<'_>,
    ) -> Result<Option<BegunSession>, StoreError> {
        if user.totp_since.is_none() {
            let mut begun = begin(tx, user, now, ("set password", ""), from).await?;
            begun.device = Some(remember_device(tx, user, now, from).await?);
            return Ok(Some(begun));
        }
        let own = Caller::new(user.name.clone(), user.tenant.clone(), Scopes::default());
        let own = own.at(from.peer);
        audit(tx, &own, now, "set password", &user.name, "").await?;
        Ok(None)
    }

    /// Makes a link; earlier ones for the same user are good no longer.
    pub(super) async fn invite(
        tx: &mut Tx<'_>,
        user: Option<i64>,
        now: OffsetDateTime,
        by: &str,
    ) -> Result<Invitation, StoreError> {
        let (token, expires_at) = (random(), now + GOOD_FOR);
        let digest = TokenDigest::of(token.as_bytes());
        tx.insert_link(&NewLink { digest, user, at: now, by, expires_at }).await?;
        Ok(Invitation { token, expires_at, ended: Ended::default() })
    }
}

/// The first user may do everything.
async fn insert_first(
    tx: &mut Tx<'_>,
    name: &str,
    now: OffsetDateTime,
    from: &Client<'_>,
) -> Result<(), AdminError> {
    let scopes = words([Scope::Admin].into_iter().collect());
    let row = NewUser { name, scopes: &scopes, tenant: None, at: now, by: FIRST };
    let taken = || AdminError::Conflict(format!("user `{name}` already exists"));
    tx.insert_person(&row).await?.ok_or_else(taken)?;
    audit_grant(tx, &Caller::local(FIRST).at(from.peer), &row).await?;
    Ok(())
}

fn spent() -> AdminError {
    AdminError::NotFound("set-up link (used or expired)".to_owned())
}
