//! People: added, listed, reset and disabled by administrators; and what they do about themselves.

use time::OffsetDateTime;
use tracing::info;

use super::attempts::{Client, remember_device};
use super::codes::drop_codes;
use super::keys::actor_of;
use super::password::check_choice;
use super::sessions::{BegunSession, Session, SignInError, audit, begin};
use super::{Access, Invitation, check_free, check_grant, check_name, scopes, taken, words};
use crate::operator::audit::digest;
use crate::operator::{Caller, OperatorError, Reason, Scope, Scopes};
use crate::store::{AuditEntry, AuditMore, KeptPerson, NewPerson as Row, StoreError, Tx};

/// A person that is to be added.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Their name: what they sign in with, and what the audit log calls them.
    pub name: String,
    /// What they may do.
    pub scopes: Scopes,
    /// The only tenant whose things they see; `None` for all.
    pub tenant: Option<String>,
}

/// What ended together with somebody's way in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many of their sessions.
    pub sessions: u64,
    /// The keys that they had made, and those that were made with these: names and ids.
    pub keys: Vec<(String, String)>,
}

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
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

impl Person {
    /// In one word: `good`, `invited` or `disabled`.
    pub fn state(&self) -> &'static str {
        match (self.disabled_at, self.password || self.issuer.is_some()) {
            (Some(_), _) => "disabled",
            (None, false) => "invited",
            (None, true) => "good",
        }
    }

    pub(super) fn of(kept: KeptPerson) -> Result<Self, StoreError> {
        Ok(Self {
            scopes: scopes(&kept.scopes, "people", &kept.name)?,
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
    /// [`OperatorError::Denied`] without [`Scope::Admin`]; [`OperatorError::Store`].
    pub async fn people(&self, caller: &Caller) -> Result<Vec<Person>, OperatorError> {
        caller.needs(Scope::Admin)?;
        let people = self.store.people(caller.tenant()).await?;
        Ok(people.into_iter().map(Person::of).collect::<Result<_, _>>()?)
    }

    /// Adds a person; by the invitation they choose a password.
    ///
    /// # Errors
    /// [`OperatorError::Denied`] without [`Scope::Admin`]; [`OperatorError::Invalid`] for a name
    /// that cannot be, no scope, or a tenant that is not the caller's; [`OperatorError::Conflict`]
    /// where somebody has this name; [`OperatorError::Store`].
    pub async fn add_person(
        &self,
        caller: &Caller,
        new: &NewPerson,
    ) -> Result<Invitation, OperatorError> {
        caller.needs(Scope::Admin)?;
        check_name("a person", &new.name)?;
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
        let Some(person) = tx.insert_person(&row).await? else {
            return Err(match caller.tenant() {
                // They may not know whom others have.
                Some(_) => taken(&new.name),
                None => OperatorError::Conflict(format!("there is a person `{}`", new.name)),
            });
        };
        let invitation = Self::invite(&mut tx, Some(person), now, caller.actor()).await?;
        audit_grant(&mut tx, caller, &row).await?;
        tx.commit(()).await?;
        info!(actor = caller.actor(), person = new.name, "a person was added");
        Ok(invitation)
    }

    /// Ends somebody's password, or what links them to an issuer, their sessions and the keys that
    /// they made: they are invited anew. `codes` says whether their codes end too, for who has lost
    /// what makes them.
    ///
    /// # Errors
    /// [`OperatorError::Denied`] without [`Scope::Admin`]; [`OperatorError::NotFound`];
    /// [`OperatorError::Store`].
    pub async fn reset_person(
        &self,
        caller: &Caller,
        name: &str,
        codes: bool,
        reason: &str,
    ) -> Result<Invitation, OperatorError> {
        let (mut tx, person, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        tx.clear_proofs(person.id).await?;
        let ended = end_all(&mut tx, caller, &person, now, reason).await?;
        if codes {
            drop_codes(&mut tx, person.id).await?;
        }
        let invitation = Self::invite(&mut tx, Some(person.id), now, caller.actor()).await?;
        let action = if codes { "reset person and codes" } else { "reset person" };
        audit(&mut tx, caller, now, action, &person.name, reason).await?;
        tx.commit(()).await?;
        self.forget(&ended);
        Ok(Invitation { ended, ..invitation })
    }

    /// Lets somebody sign in no more, and ends their sessions, the keys that they made, and the jobs
    /// of either.
    ///
    /// # Errors
    /// [`OperatorError::Denied`] without [`Scope::Admin`]; [`OperatorError::NotFound`];
    /// [`OperatorError::Store`].
    pub async fn disable_person(
        &self,
        caller: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<(Person, Ended), OperatorError> {
        let (mut tx, person, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        let since = Some(person.disabled_at.unwrap_or(now));
        tx.set_disabled_at(person.id, since).await?;
        let ended = end_all(&mut tx, caller, &person, now, reason).await?;
        tx.expire_links(Some(person.id), now).await?;
        tx.cancel_jobs_of(&person.name, caller.actor(), now).await?;
        audit(&mut tx, caller, now, "disable person", &person.name, reason).await?;
        tx.commit(()).await?;
        self.forget(&ended);
        Ok((Person::of(KeptPerson { disabled_at: since, ..person })?, ended))
    }

    /// Lets somebody sign in again.
    ///
    /// # Errors
    /// As [`Access::disable_person`].
    pub async fn enable_person(
        &self,
        caller: &Caller,
        name: &str,
        reason: &str,
    ) -> Result<Person, OperatorError> {
        let (mut tx, person, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        tx.set_disabled_at(person.id, None).await?;
        audit(&mut tx, caller, now, "enable person", &person.name, reason).await?;
        tx.commit(()).await?;
        Ok(Person::of(KeptPerson { disabled_at: None, ..person })?)
    }

    /// Knows keys no more that were good until now.
    fn forget(&self, ended: &Ended) {
        let mut known = super::lock(&self.known);
        for (_, id) in &ended.keys {
            known.remove(id);
        }
    }

    /// Begins to change something about somebody else, whom it locks.
    pub(super) async fn manage(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(Tx<'_>, KeptPerson, OffsetDateTime), OperatorError> {
        caller.needs(Scope::Admin)?;
        let mut tx = self.store.begin().await?;
        let person = tx.lock_person(name, caller.tenant()).await?;
        let person = person.ok_or_else(|| OperatorError::NotFound(format!("person `{name}`")))?;
        Ok((tx, person, self.clock.now()))
    }

    /// Changes one's own password: every session of theirs ends, and a new one begins.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] where the old password is; [`SignInError::TooMany`];
    /// [`OperatorError::Invalid`] for a new one that is not taken.
    pub async fn change_password(
        &self,
        session: &Session,
        old: &str,
        new: &str,
        from: &Client<'_>,
    ) -> Result<BegunSession, SignInError> {
        check_choice(&session.name, new)?;
        let person = self.recheck(session, old, from).await?;
        let hash = self.passwords.hash(new).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        lock_unchanged(&mut tx, &person).await?;
        tx.set_password(person.id, &hash).await?;
        tx.end_sessions_of(person.id).await?;
        tx.forget_devices(person.id).await?;
        let mut begun = begin(&mut tx, &person, now, ("change password", ""), from).await?;
        begun.device = Some(remember_device(&mut tx, &person, now, from).await?);
        tx.commit(()).await?;
        self.remember(&begun);
        Ok(begun)
    }

    /// Has somebody who is signed in give their password once more.
    pub(super) async fn recheck(
        &self,
        session: &Session,
        password: &str,
        from: &Client<'_>,
    ) -> Result<KeptPerson, SignInError> {
        let key = self.note_recheck(session.person).await?;
        let person = self.store.person(&session.name).await?;
        let hash = person.as_ref().and_then(|person| person.password.as_deref());
        let right = self.passwords.check(password, hash).await;
        let Some(person) = person.filter(|_| right) else {
            let target = format!("the session of person {}", session.name);
            self.note_refusal(None, from.peer, &target, "wrong password").await;
            return Err(SignInError::Wrong);
        };
        let mut tx = self.store.begin().await?;
        tx.forget_attempts(&key, &[]).await?;
        tx.commit(()).await?;
        Ok(person)
    }
}

/// Ends somebody's sessions, forgets their browsers, and revokes every key that they made: what they
/// could still come in by. Each key is in the audit log.
async fn end_all(
    tx: &mut Tx<'_>,
    caller: &Caller,
    person: &KeptPerson,
    now: OffsetDateTime,
    reason: &str,
) -> Result<Ended, StoreError> {
    let sessions = tx.end_sessions_of(person.id).await?;
    tx.forget_devices(person.id).await?;
    let revoked = tx.revoke_api_keys_made_by(&person.name, caller.actor(), now).await?;
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
            target: &format!("person {}", person.name),
            reason,
            count: sessions,
        };
        tx.audit_with(&entry, caller.audit_more()).await?;
    }
    keys.sort();
    Ok(Ended { sessions, keys })
}

/// Locks somebody who gave their password a moment ago, unless an administrator has reset or
/// disabled them since: checking a password takes its time.
///
/// # Errors
/// [`SignInError::Wrong`].
pub(super) async fn lock_unchanged(
    tx: &mut Tx<'_>,
    person: &KeptPerson,
) -> Result<(), SignInError> {
    let now = tx.lock_person(&person.name, None).await?;
    let same = now.is_some_and(|now| {
        now.id == person.id && now.password == person.password && now.disabled_at.is_none()
    });
    if same { Ok(()) } else { Err(SignInError::Wrong) }
}

/// Writes down who was let in, and what they may do.
pub(super) async fn audit_grant(
    tx: &mut Tx<'_>,
    caller: &Caller,
    new: &Row<'_>,
) -> Result<(), StoreError> {
    let granted = format!("{:?} {} {:?}", new.name, new.scopes.join(" "), new.tenant);
    let entry = AuditEntry {
        at: new.at,
        actor: caller.actor(),
        action: "add person",
        target: &format!(
            "person {}: {}; tenant {}",
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
