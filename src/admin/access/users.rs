//! Users: invited, listed, reset and disabled by administrators.

use tracing::info;

use super::keys::actor_of;
use super::second_factor::drop_codes;
use super::sessions::target;
use super::{
    Access, DisabledUser, Ended, Invitation, RevokedKey, User, check_free, check_grant, check_name,
    taken, words,
};
use crate::admin::audit::digest;
use crate::admin::change::{Audited, AuditedChange};
use crate::admin::{AdminError, Caller, Reason, Scope, Scopes};
use crate::store::{AuditEntry, AuditMore, NewUser as Row, StoreError, Tx, UserRow};

/// A user to add.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name they sign in with, as recorded in the audit log.
    pub name: String,
    pub scopes: Scopes,
    /// The tenant they are limited to; `None` for all tenants.
    pub tenant: Option<String>,
}

impl Access {
    /// The users the caller may see, by name.
    pub async fn users(&self, caller: &Caller) -> Result<Vec<User>, AdminError> {
        caller.needs(Scope::Admin)?;
        let users = self.store.users(caller.tenant()).await?;
        Ok(users.into_iter().map(User::new).collect::<Result<_, _>>()?)
    }

    /// Adds a user; the invitation lets them choose a password.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for an invalid name, no scope, or a tenant other than the caller's;
    /// [`AdminError::Conflict`] if the name is taken.
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
        let Some(user) = tx.insert_user(&row).await? else {
            return Err(match caller.tenant() {
                // Callers limited to a tenant must not learn which users other tenants have.
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

    /// Removes a user's password or single sign-on link, ends their sessions, revokes the API keys
    /// they created, and invites them again. With `codes`, two-factor authentication is turned off
    /// too, for users who lost their authenticator.
    pub async fn reset_user(
        &self,
        caller: &Caller,
        name: &str,
        codes: bool,
        reason: &Reason,
    ) -> Result<Invitation, AdminError> {
        let (mut change, user) = self.manage(caller, name).await?;
        change.tx.clear_sign_in_methods(user.id).await?;
        let ended = end_all(&mut change, &user, reason).await?;
        let (tx, at) = (&mut change.tx, change.at);
        if codes {
            drop_codes(tx, user.id).await?;
        }
        let invitation = Self::invite(tx, Some(user.id), at, caller.actor()).await?;
        let action = if codes { "reset user and two-factor" } else { "reset user" };
        change.commit(Audited { action, target: &target(&user.name), reason, count: 1 }).await?;
        self.uncache(&ended);
        Ok(Invitation { ended: Some(ended), ..invitation })
    }

    /// Prevents a user from signing in, ends their sessions, revokes the API keys they created, and
    /// cancels the jobs of both.
    pub async fn disable_user(
        &self,
        caller: &Caller,
        name: &str,
        reason: &Reason,
    ) -> Result<DisabledUser, AdminError> {
        let (mut change, user) = self.manage(caller, name).await?;
        let at = change.at;
        let since = Some(user.disabled_at.unwrap_or(at));
        change.tx.set_disabled_at(user.id, since).await?;
        let ended = end_all(&mut change, &user, reason).await?;
        change.tx.expire_links(Some(user.id), at).await?;
        change.tx.cancel_jobs_of(&user.name, caller.actor(), at).await?;
        let target = target(&user.name);
        change
            .commit(Audited { action: "disable user", target: &target, reason, count: 1 })
            .await?;
        self.uncache(&ended);
        let user = User::new(UserRow { disabled_at: since, ..user })?;
        Ok(DisabledUser { user, ended })
    }

    /// Lets a user sign in again.
    pub async fn enable_user(
        &self,
        caller: &Caller,
        name: &str,
        reason: &Reason,
    ) -> Result<User, AdminError> {
        let (mut change, user) = self.manage(caller, name).await?;
        change.tx.set_disabled_at(user.id, None).await?;
        let target = target(&user.name);
        change.commit(Audited { action: "enable user", target: &target, reason, count: 1 }).await?;
        Ok(User::new(UserRow { disabled_at: None, ..user })?)
    }

    /// Removes revoked keys from the cache.
    fn uncache(&self, ended: &Ended) {
        let mut known = super::lock(&self.known);
        for key in &ended.keys {
            known.remove(&key.id);
        }
    }

    /// Begins a change to another user and locks their row.
    pub(super) async fn manage<'a>(
        &'a self,
        caller: &'a Caller,
        name: &str,
    ) -> Result<(AuditedChange<'a>, UserRow), AdminError> {
        caller.needs(Scope::Admin)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let user = change.tx.lock_user(name, caller.tenant()).await?;
        let user = user.ok_or_else(|| AdminError::NotFound(format!("user `{name}`")))?;
        Ok((change, user))
    }
}

/// Ends a user's sessions, forgets their browsers, and revokes every key they created. Each key
/// gets an audit log entry.
async fn end_all(
    change: &mut AuditedChange<'_>,
    user: &UserRow,
    reason: &Reason,
) -> Result<Ended, StoreError> {
    let (at, actor) = (change.at, change.caller().actor());
    let sessions = change.tx.end_sessions_of(user.id).await?;
    change.tx.delete_devices(user.id).await?;
    let revoked = change.tx.revoke_api_keys_made_by(&user.name, actor, at).await?;
    let mut keys = Vec::new();
    for key in revoked {
        change.tx.cancel_jobs_of(&actor_of(&key.name), actor, at).await?;
        let target = format!("key {} ({}), made by {}", key.name, key.id, key.created_by);
        let audited = Audited { action: "revoke key", target: &target, reason, count: 1 };
        change.audit(audited).await?;
        keys.push(RevokedKey { name: key.name, id: key.id });
    }
    if sessions > 0 {
        let (action, target) = ("end sessions", target(&user.name));
        change.audit(Audited { action, target: &target, reason, count: sessions }).await?;
    }
    keys.sort();
    Ok(Ended { sessions, keys })
}

/// Records a new user and their scopes.
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
