//! Handshakes of senders that bring a secret. Nothing proves who sent one, so a source accepts one
//! only while its window is open, and the first that is accepted closes it.

use std::fmt;
use std::time::Duration as Span;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::change::{Audited, AuditedChange};
use super::{AdminError, Caller, Reason, Scope, SourceFacts};
use crate::clock::SharedClock;
use crate::store::{HandshakeSecret, MAX_HANDSHAKE_SECRETS, Store};
use crate::vault::Vault;

/// The longest time that a window is open.
const LONGEST: Duration = Duration::days(1);
/// How long after its handshake a secret can be read.
const READABLE_FOR: Duration = Duration::hours(1);

#[derive(Clone)]
pub struct Handshakes {
    store: Store,
    clock: SharedClock,
    vault: Vault,
    sources: Vec<SourceFacts>,
}

/// A secret that a handshake brought, for a person who has to enter it at the sender.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RevealedSecret {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The secret itself. It can be read for an hour after the handshake.
    pub secret: String,
    /// When the handshake was accepted.
    #[serde(with = "time::serde::rfc3339")]
    pub stored_at: OffsetDateTime,
}

impl fmt::Debug for RevealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevealedSecret({})", self.fingerprint)
    }
}

impl Handshakes {
    pub fn new(store: Store, clock: SharedClock, vault: Vault, sources: Vec<SourceFacts>) -> Self {
        Self { store, clock, vault, sources }
    }

    /// Opens the window of a source for a time such as `1h`; returns when it closes. If it is open,
    /// the new end counts.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a time that is too short or too long; [`AdminError::Conflict`] for
    /// a source whose sender brings no secret, or that has too many.
    pub async fn open(
        &self,
        caller: &Caller,
        name: &str,
        span: &str,
        reason: &Reason,
    ) -> Result<OffsetDateTime, AdminError> {
        let source = self.source(caller, name)?;
        let invalid = || AdminError::Invalid(format!("for: `{span}` is not a time from 1s to 24h"));
        let span = humantime::parse_duration(span).ok().and_then(|span| span.try_into().ok());
        let within = |span: &Duration| (Duration::SECOND..=LONGEST).contains(span);
        let span: Duration = span.filter(within).ok_or_else(invalid)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let of = (&*source.tenant, name);
        if change.tx.count_handshake_secrets(of).await? >= MAX_HANDSHAKE_SECRETS {
            return Err(AdminError::Conflict(format!(
                "source `{name}` has {MAX_HANDSHAKE_SECRETS} stored secrets, which is the maximum: \
                 remove one with `sealpost sources remove-secret {name}`"
            )));
        }
        let closes_at = change.at + span;
        change.tx.open_handshake_window(of, caller.actor(), closes_at, change.at).await?;
        let lasts = humantime::format_duration(Span::try_from(span).unwrap_or_default());
        let target = format!("source {name}, for {lasts}");
        change
            .commit(Audited { action: "open handshake", target: &target, reason, count: 1 })
            .await?;
        Ok(closes_at)
    }

    /// Closes the window of a source; false if it was not open.
    pub async fn close(
        &self,
        caller: &Caller,
        name: &str,
        reason: &Reason,
    ) -> Result<bool, AdminError> {
        let source = self.source(caller, name)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let of = (&*source.tenant, name);
        let closed = change.tx.close_handshake_window(of, change.at).await?.is_some();
        let target = format!("source {name}");
        let count = u64::from(closed);
        change
            .commit(Audited { action: "close handshake", target: &target, reason, count })
            .await?;
        Ok(closed)
    }

    /// Removes a stored secret. Every gateway stops using it within seconds.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] if no stored secret of the source has this fingerprint.
    pub async fn remove(
        &self,
        caller: &Caller,
        name: &str,
        fingerprint: &str,
        reason: &Reason,
    ) -> Result<(), AdminError> {
        // Secrets of a source that is described otherwise now can still be removed.
        let tenant = &self.visible(caller, name)?.tenant;
        let label = HandshakeSecret::label(tenant, name, fingerprint);
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let target = format!("secret {fingerprint} of source {name}");
        if !change.tx.delete_credential(&label).await? {
            return Err(AdminError::NotFound(format!("stored {target}")));
        }
        let removed = Audited { action: "remove secret", target: &target, reason, count: 1 };
        Ok(change.commit(removed).await?)
    }

    /// The secret of the latest handshake, for a person who has to enter it at the sender. It can be
    /// read for an hour.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if there is no handshake within the last hour.
    pub async fn reveal(
        &self,
        caller: &Caller,
        name: &str,
        reason: &Reason,
    ) -> Result<RevealedSecret, AdminError> {
        let source = self.source(caller, name)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let newest = change.tx.newest_handshake_secret((&source.tenant, name)).await?;
        let recent = newest.filter(|newest| change.at - newest.stored_at < READABLE_FOR);
        let Some(newest) = recent else {
            return Err(AdminError::Conflict(format!(
                "source `{name}` has accepted no handshake within the last hour, after which a \
                 secret cannot be read: open a window with `sealpost sources accept-handshake \
                 {name}`, and let the sender repeat the handshake"
            )));
        };
        let opened = self.vault.open(&newest.label, &newest.sealed)?;
        let secret = String::from_utf8(opened.to_vec()).map_err(|_| {
            AdminError::Conflict("the secret is not text, so nobody can enter it".to_owned())
        })?;
        let fingerprint = newest.fingerprint().to_owned();
        let target = format!("secret {fingerprint} of source {name}");
        // Before it is shown.
        change.commit(Audited { action: "read secret", target: &target, reason, count: 1 }).await?;
        Ok(RevealedSecret { fingerprint, secret, stored_at: newest.stored_at })
    }

    /// A source whose sender brings secrets.
    fn source(&self, caller: &Caller, name: &str) -> Result<&SourceFacts, AdminError> {
        let source = self.visible(caller, name)?;
        if !source.stores_secrets {
            return Err(AdminError::Conflict(format!(
                "source `{name}`: no handshake of its sender brings a secret: set its `secrets`"
            )));
        }
        Ok(source)
    }

    fn visible(&self, caller: &Caller, name: &str) -> Result<&SourceFacts, AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let mut sources = self.sources.iter();
        let is_it = |source: &&SourceFacts| {
            source.name == name && caller.tenant().is_none_or(|tenant| source.tenant == tenant)
        };
        sources.find(is_it).ok_or_else(|| AdminError::NotFound(format!("source `{name}`")))
    }
}
