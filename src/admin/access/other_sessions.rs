//! A user's sessions: listing and ending them, one's own or, for administrators, those of others.

use super::sessions::{Session, target};
use super::{Access, UserSession};
use crate::admin::change::{Audited, AuditedChange};
use crate::admin::{AdminError, Caller, Reason};
use crate::store::SessionOfUser;

/// A session of the signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    pub session: UserSession,
    /// Whether the request came with this session.
    pub is_current: bool,
}

impl Access {
    /// The sessions of the signed-in user, most recently used first.
    pub async fn sessions(&self, own: &Session) -> Result<Vec<OwnSession>, AdminError> {
        let kept = self.store.sessions_of(own.user, self.clock.now()).await?;
        let session = |row: SessionOfUser| {
            let is_current = row.digest.matches(&own.digest);
            OwnSession { session: row.into(), is_current }
        };
        Ok(kept.into_iter().map(session).collect())
    }

    /// The sessions of a user, most recently used first.
    pub async fn sessions_of(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Vec<UserSession>, AdminError> {
        let (change, user) = self.manage(caller, name).await?;
        let now = change.at;
        drop(change);
        let kept = self.store.sessions_of(user.id, now).await?;
        Ok(kept.into_iter().map(UserSession::from).collect())
    }

    /// Ends one session of a user and returns the others.
    pub async fn end_session_of(
        &self,
        caller: &Caller,
        name: &str,
        id: i64,
        reason: &Reason,
    ) -> Result<Vec<UserSession>, AdminError> {
        let (mut change, user) = self.manage(caller, name).await?;
        let now = change.at;
        let digest = change.tx.end_session_of(user.id, id).await?.ok_or_else(|| no_session(id))?;
        let target = target(&user.name);
        change.commit(Audited { action: "end session", target: &target, reason, count: 1 }).await?;
        super::lock(&self.signed_in).remove(&digest);
        let left = self.store.sessions_of(user.id, now).await?;
        Ok(left.into_iter().map(UserSession::from).collect())
    }

    /// Ends one of the signed-in user's sessions.
    pub async fn end_own_session(&self, own: &Session, id: i64) -> Result<(), AdminError> {
        let mut change = AuditedChange::begin(&self.store, &self.clock, &own.caller).await?;
        let digest = change.tx.end_session_of(own.user, id).await?.ok_or_else(|| no_session(id))?;
        let (action, target) = ("end session", target(&own.name));
        change.commit(Audited { action, target: &target, reason: "", count: 1 }).await?;
        super::lock(&self.signed_in).remove(&digest);
        Ok(())
    }

    /// Ends all other sessions of the signed-in user and returns their number.
    pub async fn sign_out_elsewhere(&self, own: &Session) -> Result<u64, AdminError> {
        let mut change = AuditedChange::begin(&self.store, &self.clock, &own.caller).await?;
        let count = change.tx.end_other_sessions(own.user, &own.digest).await?;
        let (action, target) = ("sign out elsewhere", target(&own.name));
        change.commit(Audited { action, target: &target, reason: "", count }).await?;
        Ok(count)
    }
}

fn no_session(id: i64) -> AdminError {
    AdminError::NotFound(format!("session {id}"))
}
