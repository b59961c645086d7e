//! API keys: made, listed and revoked by administrators.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use tracing::info;
use zeroize::Zeroizing;

use super::{Access, check_grant, check_name, scopes, words};
use crate::admin::audit::digest;
use crate::admin::{AdminError, Caller, Reason, Scope, Scopes};
use crate::store::{ApiKeyRow, AuditEntry, AuditMore, StoreError, TokenDigest};

/// How a key begins, so that users and scanners know one when they see it.
const PREFIX: &str = "slp_";
/// The hexadecimal digits of an id.
const ID: usize = 16;
/// The characters of a secret: 32 bytes in base64.
const SECRET: usize = 43;

/// A key as a user shows it: its shape is right, and nothing else is known of it.
#[derive(Debug, Clone)]
pub struct ShownKey {
    id: String,
    digest: TokenDigest,
}

/// A key that is to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What users are to call it; the audit log calls whoever shows it `key:NAME`.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The only tenant whose things it sees; `None` for all.
    pub tenant: Option<String>,
    /// How long it is good.
    pub expiry: Expiry,
}

/// How long a key is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// So long.
    After(Duration),
    /// Until it is revoked.
    Never,
}

/// A key that was made.
#[derive(Debug)]
pub struct MadeKey {
    /// The key: now, and never again.
    pub key: Zeroizing<String>,
    /// What is kept of it.
    pub about: ApiKey,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The part that may be seen.
    pub id: String,
    /// What users call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The only tenant whose things it sees; `None` for all.
    pub tenant: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// From when on it is refused.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was shown last, to the minute or so.
    pub last_used_at: Option<OffsetDateTime>,
    /// Since when it is refused.
    pub revoked_at: Option<OffsetDateTime>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
}

impl Default for Expiry {
    /// 90 days.
    fn default() -> Self {
        Self::After(Duration::days(90))
    }
}

impl ShownKey {
    /// Reads what is shown; `None` where it is not a key at all.
    pub fn read(shown: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(shown).ok()?;
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let hex = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let shaped = id.len() == ID && hex && secret.len() == SECRET;
        shaped.then(|| Self { id: id.to_owned(), digest: TokenDigest::of(shown) })
    }

    /// The part that may be seen.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn digest(&self) -> &TokenDigest {
        &self.digest
    }
}

impl ApiKey {
    /// In one word: `good`, `expired` or `revoked`.
    pub fn state(&self, now: OffsetDateTime) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            (None, _) => "good",
        }
    }

    fn of(kept: ApiKeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            scopes: scopes(&kept.scopes, "api_keys", &kept.id)?,
            id: kept.id,
            name: kept.name,
            tenant: kept.tenant,
            created_at: kept.created_at,
            created_by: kept.created_by,
            expires_at: kept.expires_at,
            last_used_at: kept.last_used_at,
            revoked_at: kept.revoked_at,
            revoked_by: kept.revoked_by,
        })
    }

    /// What the audit log says of a key that is made: what it may do, for whom, and how long.
    fn granted(&self) -> String {
        let scopes = words(self.scopes).join(" ");
        let tenant = self.tenant.as_deref().unwrap_or("all");
        let until = match self.expires_at {
            Some(end) => format!("until {}", end.date()),
            None => "no expiry".to_owned(),
        };
        format!("key {} ({}): {scopes}; tenant {tenant}; {until}", self.name, self.id)
    }

    /// What the audit log has a digest of.
    fn in_words(&self) -> String {
        let scopes = words(self.scopes).join(" ");
        let (tenant, end) = (&self.tenant, self.expires_at.map(OffsetDateTime::unix_timestamp));
        let revoked = self.revoked_at.is_some();
        format!("{} {:?} {scopes} {tenant:?} {end:?} {revoked}", self.id, self.name)
    }
}

impl Access {
    /// Makes a key.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::Invalid`] for a name
    /// that cannot be, no scope, a tenant that is not the caller's, or an end that is past;
    /// [`AdminError::Conflict`] where another key has this name; [`AdminError::Store`].
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
        let mut tx = self.store.begin().await?;
        if !tx.insert_api_key(&kept).await? {
            return Err(match caller.tenant() {
                // They may not know which keys others have.
                Some(_) => super::taken(&new.name),
                None => AdminError::Conflict(format!(
                    "key `{}` already exists: revoke it first",
                    new.name
                )),
            });
        }
        let about = ApiKey::of(kept)?;
        let target = about.granted();
        let entry = AuditEntry {
            at: now,
            actor: caller.actor(),
            action: "create key",
            target: &target,
            reason: "",
            count: 1,
        };
        let after = Some(digest(about.in_words().as_bytes()));
        tx.audit_with(&entry, AuditMore { after, ..caller.audit_more() }).await?;
        tx.commit(()).await?;
        info!(actor = caller.actor(), key = about.id, "API key created");
        Ok(MadeKey { key, about })
    }

    /// Every key that the caller may know of, the newest first.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::Store`].
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<ApiKey>, AdminError> {
        caller.needs(Scope::Admin)?;
        let kept = self.store.api_keys(caller.tenant()).await?;
        Ok(kept.into_iter().map(ApiKey::of).collect::<Result<_, _>>()?)
    }

    /// Refuses a key from now on, and cancels the jobs that it began. One that is revoked already
    /// stays as it is.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        id: &str,
        reason: &str,
    ) -> Result<ApiKey, AdminError> {
        caller.needs(Scope::Admin)?;
        let reason = Reason::new(reason)?.get();
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let kept = tx.lock_api_key(id, caller.tenant()).await?;
        let kept = kept.ok_or_else(|| AdminError::NotFound(format!("key `{id}`")))?;
        let before = ApiKey::of(kept)?;
        if before.revoked_at.is_some() {
            return Ok(before);
        }
        tx.revoke_api_key(id, caller.actor(), now).await?;
        tx.cancel_jobs_of(&actor_of(&before.name), caller.actor(), now).await?;
        let mut about = before.clone();
        about.revoked_at = Some(now);
        about.revoked_by = Some(caller.actor().to_owned());
        let target = format!("key {} ({})", about.name, about.id);
        let entry = AuditEntry {
            at: now,
            actor: caller.actor(),
            action: "revoke key",
            target: &target,
            reason,
            count: 1,
        };
        let more = AuditMore {
            before: Some(digest(before.in_words().as_bytes())),
            after: Some(digest(about.in_words().as_bytes())),
            ..caller.audit_more()
        };
        tx.audit_with(&entry, more).await?;
        tx.commit(()).await?;
        super::lock(&self.known).remove(id);
        info!(actor = caller.actor(), key = about.id, "API key revoked");
        Ok(about)
    }
}

/// What the audit log calls whoever shows a key of this name.
pub(super) fn actor_of(key: &str) -> String {
    format!("key:{key}")
}

/// An id and the key that has it.
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
    fn a_key_that_is_made_fits_a_header_is_read_back_and_is_never_the_same() {
        let ((id, one), (_, other)) = (make(), make());
        assert_ne!(one, other);
        assert_eq!(one.len(), "slp_".len() + ID + 1 + SECRET);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        assert_eq!(ShownKey::read(one.as_bytes()).unwrap().id(), id);
    }

    #[test]
    fn what_has_not_the_shape_of_a_key_is_none() {
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
