//! Set-up links, with which a user chooses a password, once.

use time::{Duration, OffsetDateTime};
use tracing::info;

use super::attempts::{Client, remember_device};
use super::password::check_choice;
use super::sessions::{BegunSession, audit, begin};
use super::token::random;
use super::users::audit_grant;
use super::{Access, Invitation, check_free, check_name, words};
use crate::admin::{AdminError, Caller, Scope, Scopes};
use crate::store::{NewLink, NewUser, StoreError, TokenDigest, Tx, UserRow};

/// How long a link is valid.
const VALID_FOR: Duration = Duration::hours(24);
/// The actor who makes the first link.
const FIRST_ACTOR: &str = "sealpost serve";

/// A valid set-up link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupLink {
    /// The user it is for; `None` for the first user, who also chooses a name.
    pub name: Option<String>,
}

impl Access {
    /// A link for the first user; `None` if there is a user already, or if this or another gateway
    /// has made a link that is still valid.
    pub async fn first_invitation(&self) -> Result<Option<Invitation>, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if tx.lock_users_exist().await? || tx.has_first_link(now).await? {
            return Ok(None);
        }
        let invitation = Self::invite(&mut tx, None, now, FIRST_ACTOR).await?;
        tx.commit(()).await?;
        Ok(Some(invitation))
    }

    /// Whether there is no user, and a link to create the first one is valid.
    pub async fn awaits_first_user(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        Ok(!tx.lock_users_exist().await? && tx.has_first_link(now).await?)
    }

    /// Looks up a link.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] for a used or expired link.
    pub async fn setup_link(&self, token: &str) -> Result<SetupLink, AdminError> {
        let digest = TokenDigest::of(token.as_bytes());
        let link = self.store.setup_link(&digest, self.clock.now()).await?;
        link.map(|(_, name)| SetupLink { name }).ok_or_else(link_not_found)
    }

    /// Uses a link: sets the password, and for the first user the name. Signs the user in, unless
    /// they have two-factor authentication: then they have to sign in themselves.
    ///
    /// # Errors
    /// The link stays valid. [`AdminError::NotFound`] for a used or expired link;
    /// [`AdminError::Invalid`] for a name or password that is not accepted;
    /// [`AdminError::Conflict`] if the name is taken.
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
        let anybody = tx.lock_users_exist().await?;
        let digest = TokenDigest::of(token.as_bytes());
        let link = tx.use_link(&digest, now).await?.ok_or_else(link_not_found)?;
        if link.user.is_none() {
            if anybody {
                return Err(link_not_found());
            }
            insert_first(&mut tx, &name, now, from).await?;
        }
        let user = tx.lock_user(&name, None).await?;
        let user = user
            .filter(|user| user.disabled_at.is_none() && link.user.is_none_or(|id| id == user.id));
        let user = user.ok_or_else(link_not_found)?;
        tx.set_password(user.id, &hash).await?;
        tx.end_sessions_of(user.id).await?;
        let begun = self.begin_first_session(&mut tx, &user, now, from).await?;
        tx.commit(()).await?;
        if let Some(begun) = &begun {
            self.cache_session(begun);
        }
        info!(user = user.name, "password set");
        Ok(begun)
    }

    async fn begin_first_session(
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

    /// Makes a link and expires earlier ones for the same user.
    pub(super) async fn invite(
        tx: &mut Tx<'_>,
        user: Option<i64>,
        now: OffsetDateTime,
        by: &str,
    ) -> Result<Invitation, StoreError> {
        let (token, expires_at) = (random(), now + VALID_FOR);
        let digest = TokenDigest::of(token.as_bytes());
        tx.insert_link(&NewLink { digest, user, at: now, by, expires_at }).await?;
        Ok(Invitation::new(&token, expires_at))
    }
}

/// Adds the first user, with all scopes.
async fn insert_first(
    tx: &mut Tx<'_>,
    name: &str,
    now: OffsetDateTime,
    from: &Client<'_>,
) -> Result<(), AdminError> {
    let scopes = words([Scope::Admin].into_iter().collect());
    let row = NewUser { name, scopes: &scopes, tenant: None, at: now, by: FIRST_ACTOR };
    let taken = || AdminError::Conflict(format!("user `{name}` already exists"));
    tx.insert_user(&row).await?.ok_or_else(taken)?;
    audit_grant(tx, &Caller::local(FIRST_ACTOR).at(from.peer), &row).await?;
    Ok(())
}

fn link_not_found() -> AdminError {
    AdminError::NotFound("set-up link (used or expired)".to_owned())
}
