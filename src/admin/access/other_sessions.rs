//! A user's sessions: one's own, and those of others for administrators. Each can be ended alone.

use time::OffsetDateTime;

use super::Access;
use super::sessions::{Session, audit};
use crate::admin::{AdminError, Caller, Reason};
use crate::store::{self, AuditEntry};

/// One of a user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// What it is called.
    pub id: i64,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// The address that they signed in from.
    pub peer: String,
    /// What their browser said of itself: its beginning.
    pub agent: String,
    /// When they signed in.
    pub since: OffsetDateTime,
    /// When they last asked for something, to the minute.
    pub last_seen_at: OffsetDateTime,
    /// When it ends whatever they do.
    pub until: OffsetDateTime,
}

impl OwnSession {
    fn of(kept: store::OwnSession, own: Option<&Session>) -> Self {
        Self {
            is_this: own.is_some_and(|own| kept.digest.matches(&own.digest)),
            id: kept.id,
            peer: kept.peer,
            agent: kept.agent,
            since: kept.created_at,
            last_seen_at: kept.last_seen_at,
            until: kept.expires_at,
        }
    }
}

impl Access {
    /// The sessions of whoever is signed in, the one that was used last first.
    ///
    /// # Errors
    /// [`AdminError::Store`].
    pub async fn sessions(&self, own: &Session) -> Result<Vec<OwnSession>, AdminError> {
        let kept = self.store.sessions_of(own.user, self.clock.now()).await?;
        Ok(kept.into_iter().map(|kept| OwnSession::of(kept, Some(own))).collect())
    }

    /// The sessions of a user, the one that was used last first.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`](crate::admin::Scope::Admin);
    /// [`AdminError::NotFound`]; [`AdminError::Store`].
    pub async fn sessions_of(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Vec<OwnSession>, AdminError> {
        let (tx, user, now) = self.manage(caller, name).await?;
        drop(tx);
        let kept = self.store.sessions_of(user.id, now).await?;
        Ok(kept.into_iter().map(|kept| OwnSession::of(kept, None)).collect())
    }

    /// Ends one session of a user.
    ///
    /// # Errors
    /// As [`Access::sessions_of`]; [`AdminError::Invalid`] without a reason.
    pub async fn end_session_of(
        &self,
        caller: &Caller,
        name: &str,
        id: i64,
        reason: &str,
    ) -> Result<(), AdminError> {
        let (mut tx, user, now) = self.manage(caller, name).await?;
        let reason = Reason::new(reason)?.get();
        let digest = tx.end_session_of(user.id, id).await?.ok_or_else(|| gone(id))?;
        audit(&mut tx, caller, now, "end session", &user.name, reason).await?;
        tx.commit(()).await?;
        super::lock(&self.signed_in).remove(&digest);
        Ok(())
    }

    /// Ends one of the sessions of whoever is signed in.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Store`].
    pub async fn end_own_session(&self, own: &Session, id: i64) -> Result<(), AdminError> {
        let mut tx = self.store.begin().await?;
        let digest = tx.end_session_of(own.user, id).await?.ok_or_else(|| gone(id))?;
        audit(&mut tx, &own.caller, self.clock.now(), "end session", &own.name, "").await?;
        tx.commit(()).await?;
        super::lock(&self.signed_in).remove(&digest);
        Ok(())
    }

    /// Ends every session of whoever is signed in but this one; gives how many.
    ///
    /// # Errors
    /// [`AdminError::Store`].
    pub async fn sign_out_elsewhere(&self, own: &Session) -> Result<u64, AdminError> {
        let mut tx = self.store.begin().await?;
        let count = tx.end_other_sessions(own.user, &own.digest).await?;
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: own.caller.actor(),
            action: "sign out elsewhere",
            target: &format!("person {}", own.name),
            reason: "",
            count,
        };
        tx.audit_with(&entry, own.caller.audit_more()).await?;
        tx.commit(()).await?;
        Ok(count)
    }
}

fn gone(id: i64) -> AdminError {
    AdminError::NotFound(format!("session {id}"))
}
