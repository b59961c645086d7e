//! One's own sessions, and signing out everywhere else.

use time::OffsetDateTime;

use super::Access;
use super::sessions::Session;
use crate::operator::OperatorError;
use crate::store::AuditEntry;

/// One of somebody's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// When they signed in.
    pub since: OffsetDateTime,
    /// When they last asked for something, to the minute.
    pub last_seen_at: OffsetDateTime,
    /// When it ends whatever they do.
    pub until: OffsetDateTime,
}

impl Access {
    /// The sessions of whoever is signed in, the one that was used last first.
    ///
    /// # Errors
    /// [`OperatorError::Store`].
    pub async fn sessions(&self, own: &Session) -> Result<Vec<OwnSession>, OperatorError> {
        let kept = self.store.sessions_of(own.person, self.clock.now()).await?;
        let shown = kept.into_iter().map(|session| OwnSession {
            is_this: session.digest.matches(&own.digest),
            since: session.created_at,
            last_seen_at: session.last_seen_at,
            until: session.expires_at,
        });
        Ok(shown.collect())
    }

    /// Ends every session of whoever is signed in but this one; gives how many.
    ///
    /// # Errors
    /// [`OperatorError::Store`].
    pub async fn sign_out_elsewhere(&self, own: &Session) -> Result<u64, OperatorError> {
        let mut tx = self.store.begin().await?;
        let count = tx.end_other_sessions(own.person, &own.digest).await?;
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
