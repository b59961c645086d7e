//! Users: added, listed, reset and disabled by administrators; and what they do about themselves.

use time::OffsetDateTime;
use tracing::info;

use super::attempts::{Client, remember_device};
use super::keys::actor_of;
use super::password::check_choice;
use super::second_factor::drop_codes;
use super::sessions::{BegunSession, Session, SignInError, audit, begin};
use super::{Access, Invitation, check_free, check_grant, check_name, scopes, taken, words};
use crate::admin::audit::digest;
use crate::admin::{AdminError, Caller, Reason, Scope, Scopes};
use crate::store::{AuditEntry, AuditMore, NewUser as Row, StoreError, Tx, UserRow};

/// A user that is to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Their name: what they sign in with, and what the audit log calls them.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// The only tenant whose things they see; `None` for all.
    pub tenant: Option<String>,
}

/// What ended together with a user's way in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many of their sessions.
    pub sessions: u64,
    /// The keys that they had made, and those that were made with these: names and ids.
    pub keys: Vec<(String, String)>,
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// The only tenant whose things they see; `None` for all.
    pub tenant: Option<String>,
    /// Whether they have chosen a password.
    pub password: bool,
    /// Since when a code is asked for.
    pub codes_since: Option<OffsetDateTime>,
    /// The `OpenID Connect` issuer that vouches for them.
    pub issuer: Option<String>,
    /// When they were added.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// When they signed in last.
    pub signed_in_at: Option<OffsetDateTime>,
    /// Since when they cannot sign in.
    pub disabled_at: Option<OffsetDateTime>,
}

impl User {
    /// In one word: `good`, `invited` or `disabled`.
    pub fn state(&self) -> &'static str {
        match (self.disabled_at, self.password || self.issuer.is_some()) {
            (Some(_), _) => "disabled",
            (None, false) => "invited",
            (None, true) => "good",
        }
    }

    pub(super) fn of(kept: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            scopes: scopes(&kept.scopes, "users", &kept.name)?,
            name: kept.name,
            tenant: kept.tenant,
            password: kept.password.is_some(),
            codes_since: kept.totp_since,
            issuer: kept.oidc_issuer,
            created_at: kept.created_at,
            created_by: kept.created_by,
            signed_in_at: kept.signed_in_at,
            disabled_at: kept.disabled_at,
        })
    }
}

impl Access {
    /// Everybody whom the caller may know of, by name.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::Store`].
    pub async fn users(&self, caller: &Caller) -> Result<Vec<User>, AdminError> {
        caller.needs(Scope::Admin)?;
        let users = self.store.users(caller.tenant()).await?;
        Ok(users.into_iter().map(User::of).collect::<Result<_, _>>()?)
    }

    /// Adds a user; by the invitation they choose a password.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::Invalid`] for a name
    /// that cannot be, no scope, or a tenant that is not the caller's; [`AdminError::Conflict`]
    /// where a user has this name; [`AdminError::Store`].
    pub async fn add_user(&self, caller: &Caller, new: &NewUser) -> Result<Invitation, AdminError> {
        caller.needs(Scope::Admin)?;
        check_name("a user", &new.name)?;
        check_free(&new.name)?;
        check_grant(caller, new.scopes, new.tenant.as_deref())?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let row = Row {
            name: &new.name,
            scopes: &words(new.scopes),
            tenant: new.tenant.as_deref(),
            at: now,
            by: caller.actor(),
        };
        let Some(user) = tx.insert_person(&row).await? else {
            return Err(match caller.tenant() {
                // They may not know whom others have.
                Some(_) => taken(&new.name),
                None => AdminError::Conflict(format!("user `{}` already exists", new.name)),
            });
        };
        let invitation = Self::invite(&mut tx, Some(user), now, caller.actor()).await?;
        audit_grant(&mut tx, caller, &row).await?;
        tx.commit(()).await?;
        info!(actor = caller.actor(), user = new.name, "user added");
        Ok(invitation)
    }

    /// Ends a user's password, or what links them to an issuer, their sessions and the keys that
    /// they made: they are invited anew. `codes` says whether their codes end too, for who has lost
    /// what makes them.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn reset_user(
        &self,
        caller: &Caller,
        name: &str,
        codes: bool,
        reason: &str,
    ) -> Result<Invitation, AdminError> {
        let (mut tx, user, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        tx.clear_proofs(user.id).await?;
        let ended = end_all(&mut tx, caller, &user, now, reason).await?;
        if codes {
            drop_codes(&mut tx, user.id).await?;
        }
        let invitation = Self::invite(&mut tx, Some(user.id), now, caller.actor()).await?;
        let action = if codes { "reset user and two-factor" } else { "reset user" };
        audit(&mut tx, caller, now, action, &user.name, reason).await?;
        tx.commit(()).await?;
        self.forget(&ended);
        Ok(Invitation { ended, ..invitation })
    }

    /// Lets a user sign in no more, and ends their sessions, the keys that they made, and the jobs
    /// of either.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn disable_user(
        &self,
        caller: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<(User, Ended), AdminError> {
        let (mut tx, user, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        let since = Some(user.disabled_at.unwrap_or(now));
        tx.set_disabled_at(user.id, since).await?;
        let ended = end_all(&mut tx, caller, &user, now, reason).await?;
        tx.expire_links(Some(user.id), now).await?;
        tx.cancel_jobs_of(&user.name, caller.actor(), now).await?;
        audit(&mut tx, caller, now, "disable user", &user.name, reason).await?;
        tx.commit(()).await?;
        self.forget(&ended);
        Ok((User::of(UserRow { disabled_at: since, ..user })?, ended))
    }

    /// Lets a user sign in again.
    ///
    /// # Errors
    /// As [`Access::disable_user`].
    pub async fn enable_user(
        &self,
        caller: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<User, AdminError> {
        let (mut tx, user, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        tx.set_disabled_at(user.id, None).await?;
        audit(&mut tx, caller, now, "enable user", &user.name, reason).await?;
        tx.commit(()).await?;
        Ok(User::of(UserRow { disabled_at: None, ..user })?)
    }

    /// Knows keys no more that were good until now.
    fn forget(&self, ended: &Ended) {
        let mut known = super::lock(&self.known);
        for (_, id) in &ended.keys {
            known.remove(id);
        }
    }

    /// Begins to change something about another user, whom it locks.
    pub(super) async fn manage(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(Tx<'_>, UserRow, OffsetDateTime), AdminError> {
        caller.needs(Scope::Admin)?;
        let mut tx = self.store.begin().await?;
        let user = tx.lock_person(name, caller.tenant()).await?;
        let user = user.ok_or_else(|| AdminError::NotFound(format!("user `{name}`")))?;
        Ok((tx, user, self.clock.now()))
    }

    /// Changes one's own password: every session of theirs ends, and a new one begins.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] where the old password is; [`SignInError::TooMany`];
    /// [`AdminError::Invalid`] for a new one that is not taken.
    pub async fn change_password(
        &self,
        session: &Session,
        old: &str,
        new: &str,
        from: &Client<'_>,
    ) -> Result<BegunSession, SignInError> {
        check_choice(&session.name, new)?;
        let user = self.recheck(session, old, from).await?;
        let hash = self.passwords.hash(new).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        lock_unchanged(&mut tx, &user).await?;
        tx.set_password(user.id, &hash).await?;
        tx.end_sessions_of(user.id).await?;
        tx.forget_devices(user.id).await?;
        let mut begun = begin(&mut tx, &user, now, ("change password", ""), from).await?;
        begun.device = Some(remember_device(&mut tx, &user, now, from).await?);
        tx.commit(()).await?;
        self.remember(&begun);
        Ok(begun)
    }

    /// Has a user who is signed in give their password once more.
    pub(super) async fn recheck(
        &self,
        session: &Session,
        password: &str,
        from: &Client<'_>,
    ) -> Result<UserRow, SignInError> {
        let key = self.note_recheck(session.user).await?;
        let user = self.store.user(&session.name).await?;
        let hash = user.as_ref().and_then(|user| user.password.as_deref());
        let right = self.passwords.check(password, hash).await;
        let Some(user) = user.filter(|_| right) else {
            let target = format!("session of user {}", session.name);
            self.note_refusal(None, from.peer, &target, "wrong password").await;
            return Err(SignInError::Wrong);
        };
        let mut tx = self.store.begin().await?;
        tx.forget_attempts(&key, &[]).await?;
        tx.commit(()).await?;
        Ok(user)
    }
}

/// Ends a user's sessions, deletes their browsers, and revokes every key that they made: what they
/// could still come in by. Each key is in the audit log.
async fn end_all(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &UserRow,
    now: OffsetDateTime,
    reason: &str,
) -> Result<Ended, StoreError> {
    let sessions = tx.end_sessions_of(user.id).await?;
    tx.forget_devices(user.id).await?;
    let revoked = tx.revoke_api_keys_made_by(&user.name, caller.actor(), now).await?;
    let mut keys = Vec::new();
    for key in revoked {
        tx.cancel_jobs_of(&actor_of(&key.name), caller.actor(), now).await?;
        let target = format!("key {} ({}), made by {}", key.name, key.id, key.created_by);
        let entry = AuditEntry {
            at: now,
            actor: caller.actor(),
            action: "revoke key",
            target: &target,
            reason,
            count: 1,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
        keys.push((key.name, key.id));
    }
    if sessions > 0 {
        let entry = AuditEntry {
            at: now,
            actor: caller.actor(),
            action: "end sessions",
            target: &format!("user {}", user.name),
            reason,
            count: sessions,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
    }
    keys.sort();
    Ok(Ended { sessions, keys })
}

/// Locks a user who gave their password a moment ago, unless an administrator has reset or
/// disabled them since: checking a password takes its time.
///
/// # Errors
/// [`SignInError::Wrong`].
pub(super) async fn lock_unchanged(tx: &mut Tx<'_>, user: &UserRow) -> Result<(), SignInError> {
    let now = tx.lock_person(&user.name, None).await?;
    let same = now.is_some_and(|now| {
        now.id == user.id && now.password == user.password && now.disabled_at.is_none()
    });
    if same { Ok(()) } else { Err(SignInError::Wrong) }
}

/// Records who was accepted, and what they may do.
pub(super) async fn audit_grant(
    tx: &mut Tx<'_>,
    caller: &Caller,
    new: &Row<'_>,
) -> Result<(), StoreError> {
    let granted = format!("{:?} {} {:?}", new.name, new.scopes.join(" "), new.tenant);
    let entry = AuditEntry {
        at: new.at,
        actor: caller.actor(),
        action: "add user",
        target: &format!(
            "user {}: {}; tenant {}",
            new.name,
            new.scopes.join(" "),
            new.tenant.unwrap_or("all")
        ),
        reason: "",
        count: 1,
    };
    let after = Some(digest(granted.as_bytes()));
    tx.audit_with(&entry, AuditMore { after, ..caller.audit_more() }).await
}
