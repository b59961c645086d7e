//! API keys: made, listed and revoked by administrators.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use tracing::info;
use zeroize::Zeroizing;

use super::{Access, ApiKey, ApiKeyState, MadeKey, check_grant, check_name, words};
use crate::admin::audit::digest;
use crate::admin::change::{Audited, AuditedChange};
use crate::admin::{AdminError, Caller, Reason, Scope, Scopes};
use crate::store::{ApiKeyRow, AuditMore, TokenDigest};

/// The prefix of a key, by which users and secret scanners recognise it.
const PREFIX: &str = "slp_";
/// The number of hexadecimal digits of an id.
const ID: usize = 16;
/// The length of a secret: 32 bytes in base64.
const SECRET: usize = 43;

/// A presented key: well-formed, not yet checked.
#[derive(Debug, Clone)]
pub struct ShownKey {
    id: String,
    digest: TokenDigest,
}

#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its name; the audit log records it as `key:NAME`.
    pub name: String,
    pub scopes: Scopes,
    /// The tenant it is limited to; `None` for all tenants.
    pub tenant: Option<String>,
    pub expiry: Expiry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    After(Duration),
    Never,
}

impl Default for Expiry {
    /// 90 days.
    fn default() -> Self {
        Self::After(Duration::days(90))
    }
}

impl ShownKey {
    /// Parses a presented key; `None` if it is malformed.
    pub fn read(shown: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(shown).ok()?;
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let hex = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let shaped = id.len() == ID && hex && secret.len() == SECRET;
        shaped.then(|| Self { id: id.to_owned(), digest: TokenDigest::of(shown) })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn digest(&self) -> &TokenDigest {
        &self.digest
    }
}

impl ApiKey {
    /// The target of the audit log entry for a created key.
    fn granted(&self) -> String {
        let scopes = words(self.scopes).join(" ");
        let tenant = self.tenant.as_deref().unwrap_or("all");
        let until = match self.expires_at {
            Some(end) => format!("until {}", end.date()),
            None => "no expiry".to_owned(),
        };
        format!("key {} ({}): {scopes}; tenant {tenant}; {until}", self.name, self.id)
    }

    /// The text whose digest the audit log keeps.
    fn in_words(&self) -> String {
        let scopes = words(self.scopes).join(" ");
        let (tenant, end) = (&self.tenant, self.expires_at.map(OffsetDateTime::unix_timestamp));
        let revoked = self.revoked_at.is_some();
        format!("{} {:?} {scopes} {tenant:?} {end:?} {revoked}", self.id, self.name)
    }
}

impl Access {
    /// Creates a key.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for an invalid name, no scope, a tenant other than the caller's, or
    /// a lifetime that is not positive; [`AdminError::Conflict`] if the name is taken.
    pub async fn create_key(
        &self,
        caller: &Caller,
        new: &NewApiKey,
    ) -> Result<MadeKey, AdminError> {
        caller.needs(Scope::Admin)?;
        check_name("a key", &new.name)?;
        check_grant(caller, new.scopes, new.tenant.as_deref())?;
        let now = self.clock.now();
        let expires_at = match new.expiry {
            Expiry::Never => None,
            Expiry::After(span) if span.is_positive() => Some(now.saturating_add(span)),
            Expiry::After(_) => {
                return Err(AdminError::Invalid(
                    "the key's lifetime must be positive, such as 90 days".to_owned(),
                ));
            }
        };
        let (id, key) = make();
        let kept = ApiKeyRow {
            id,
            digest: TokenDigest::of(key.as_bytes()),
            name: new.name.clone(),
            scopes: words(new.scopes),
            tenant: new.tenant.clone(),
            created_at: now,
            created_by: caller.actor().to_owned(),
            expires_at,
            last_used_at: None,
            revoked_at: None,
            revoked_by: None,
        };
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        if !change.tx.insert_api_key(&kept).await? {
            return Err(match caller.tenant() {
                // Callers limited to a tenant must not learn which keys other tenants have.
                Some(_) => super::taken(&new.name),
                None => AdminError::Conflict(format!(
                    "key `{}` already exists: revoke it first",
                    new.name
                )),
            });
        }
        let about = ApiKey::new(kept, now)?;
        let target = about.granted();
        let audited = Audited { action: "create key", target: &target, reason: "", count: 1 };
        let after = Some(digest(about.in_words().as_bytes()));
        change.audit_with(audited, AuditMore { after, ..caller.audit_more() }).await?;
        change.commit_audited().await?;
        info!(actor = caller.actor(), key = about.id, "API key created");
        Ok(MadeKey { key, about })
    }

    /// The keys the caller may see, newest first.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<ApiKey>, AdminError> {
        caller.needs(Scope::Admin)?;
        let kept = self.store.api_keys(caller.tenant()).await?;
        let now = self.clock.now();
        Ok(kept.into_iter().map(|row| ApiKey::new(row, now)).collect::<Result<_, _>>()?)
    }

    /// Revokes a key and cancels its jobs. Returns whether it changed: revoking a revoked key has
    /// no effect.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        id: &str,
        reason: &Reason,
    ) -> Result<(ApiKey, bool), AdminError> {
        caller.needs(Scope::Admin)?;
        let mut change = AuditedChange::begin(&self.store, &self.clock, caller).await?;
        let (tx, now) = (&mut change.tx, change.at);
        let kept = tx.lock_api_key(id, caller.tenant()).await?;
        let kept = kept.ok_or_else(|| AdminError::NotFound(format!("key `{id}`")))?;
        let before = ApiKey::new(kept, now)?;
        if before.revoked_at.is_some() {
            return Ok((before, false));
        }
        tx.revoke_api_key(id, caller.actor(), now).await?;
        tx.cancel_jobs_of(&actor_of(&before.name), caller.actor(), now).await?;
        let mut about = before.clone();
        about.state = ApiKeyState::Revoked;
        about.revoked_at = Some(now);
        about.revoked_by = Some(caller.actor().to_owned());
        let target = format!("key {} ({})", about.name, about.id);
        let more = AuditMore {
            before: Some(digest(before.in_words().as_bytes())),
            after: Some(digest(about.in_words().as_bytes())),
            ..caller.audit_more()
        };
        let audited = Audited { action: "revoke key", target: &target, reason, count: 1 };
        change.audit_with(audited, more).await?;
        change.commit_audited().await?;
        super::lock(&self.known).remove(id);
        info!(actor = caller.actor(), key = about.id, "API key revoked");
        Ok((about, true))
    }
}

/// The actor name of requests with this key.
pub(super) fn actor_of(key: &str) -> String {
    format!("key:{key}")
}

/// A new id and its key.
fn make() -> (String, Zeroizing<String>) {
    let id = hex::encode(rand::random::<[u8; ID / 2]>());
    let random = Zeroizing::new(rand::random::<[u8; 32]>());
    let key = Zeroizing::new(format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(&random[..])));
    (id, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_keys_fit_a_header_and_are_unique() {
        let ((id, one), (_, other)) = (make(), make());
        assert_ne!(one, other);
        assert_eq!(one.len(), "slp_".len() + ID + 1 + SECRET);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        assert_eq!(ShownKey::read(one.as_bytes()).unwrap().id(), id);
    }

    #[test]
    fn malformed_keys_are_rejected() {
        let (_, key) = make();
        let mut cut = key.to_string();
        cut.pop();
        for wrong in [
            "",
            "slp_",
            &cut,
            &format!("{}x", *key),
            &key.replacen("slp_", "slq_", 1),
            &key.to_uppercase(),
            &format!("{} ", *key),
        ] {
            assert!(ShownKey::read(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(ShownKey::read(b"\xff").is_none());
    }
}
