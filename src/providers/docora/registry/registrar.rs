//! Operator actions on repositories: first at Docora, then here.
//!
//! The call comes first, then one transaction for everything that follows from it. After a crash in
//! between, the action can be repeated safely. Permissions are checked before: see [`By`].

use std::net::IpAddr;

use time::OffsetDateTime;

use super::client::is_repository_id;
use super::{Address, ApiError, BadToken, DocoraClient, GithubToken, Repository, awaiting};
use crate::providers::docora::tables::registrations;
use crate::store::{AuditEntry, AuditMore, Store, StoreError, Tx};
use crate::vault::{Label, Sealed, Vault, VaultError};

/// The repositories of one source, for a caller who may change them.
#[derive(Debug, Clone)]
pub struct RepositoryRegistrar {
    pub(crate) store: Store,
    /// The vault for the repositories' tokens.
    pub(crate) vault: Vault,
    pub(crate) tenant: String,
    pub(crate) source: String,
    pub(crate) api: DocoraClient,
    pub(crate) by: By,
}

/// Who acts and why, for the audit log. It is created where the permission is checked.
#[derive(Debug, Clone)]
pub struct By {
    pub(crate) actor: String,
    /// The only tenant that the caller may see, if limited.
    pub(crate) tenant: Option<String>,
    /// The caller's address.
    pub(crate) address: Option<IpAddr>,
    pub(crate) reason: String,
}

/// The result of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registering {
    /// It is already registered; Docora was not called.
    Known(String),
    Registered(Changed),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Docora's id.
    pub repository_id: String,
    /// The previous id, if it changed.
    pub before: Option<String>,
    /// Whether it was registered again.
    pub anew: bool,
    /// The number of deliveries that waited for it and now continue.
    pub released: u64,
}

/// The result of removing a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unregistered {
    pub repository_id: String,
    /// Whether Docora knew it.
    pub known: bool,
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    #[error("the repository is not registered at this source")]
    NotRegistered,
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("invalid stored token")]
    Token(#[from] BadToken),
    /// The database failed. The change at Docora remains: repeat the action.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RepositoryRegistrar {
    /// Registers a repository unless it is registered; with `again` in any case, using the stored
    /// token if none is given.
    pub async fn register(
        &self,
        address: &Address,
        token: Option<&GithubToken>,
        again: bool,
        now: OffsetDateTime,
    ) -> Result<Registering, RegistrarError> {
        let mut tx = self.store.begin().await?;
        let before = registrations::find(&mut tx, &self.source, address).await?;
        let kept = tx.credential(&self.label(address)).await?;
        tx.commit(()).await?;
        if let (Some(id), false) = (&before, again) {
            return Ok(Registering::Known(id.clone()));
        }
        let kept = match (token, kept) {
            (None, Some(sealed)) => {
                let secret = self.vault.open(&self.label(address), &sealed)?;
                Some(GithubToken::new(&secret)?)
            }
            _ => None,
        };
        let sealed = self.seal(address, token)?;
        let changed = self.register_at_docora(address, token.or(kept.as_ref()), before).await?;
        Ok(Registering::Registered(self.record(address, changed, sealed, now).await?))
    }

    /// Removes a repository's registration and its token. Files and cards are kept.
    ///
    /// # Errors
    /// [`RegistrarError`]; nothing has changed here then.
    pub async fn unregister(
        &self,
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<Unregistered, RegistrarError> {
        let repository_id = self.registered(address).await?;
        let known = self.api.unregister(&repository_id).await?;
        let mut tx = self.store.begin().await?;
        registrations::end(&mut tx, &self.source, address, &repository_id).await?;
        tx.delete_credential(&self.label(address)).await?;
        self.audit(&mut tx, "unregister", address, now).await?;
        tx.commit(()).await?;
        Ok(Unregistered { repository_id, known })
    }

    /// Replaces a repository's token, at Docora and here. If Docora no longer knows the repository,
    /// it is registered again.
    pub async fn update_token(
        &self,
        address: &Address,
        token: &GithubToken,
        now: OffsetDateTime,
    ) -> Result<Changed, RegistrarError> {
        let repository_id = self.registered(address).await?;
        let sealed = self.seal(address, Some(token))?;
        let changed = if self.api.update_token(&repository_id, token).await? {
            Changed { repository_id, before: None, anew: false, released: 0 }
        } else {
            self.register_at_docora(address, Some(token), Some(repository_id)).await?
        };
        self.record(address, changed, sealed, now).await
    }

    /// All repositories of the source, each with whether a token is stored.
    pub async fn list(
        store: &Store,
        tenant: &str,
        source: &str,
    ) -> Result<Vec<(Repository, bool)>, StoreError> {
        let tokens = store.credentials_of(tenant, source).await?;
        let mut tx = store.begin().await?;
        let repositories = registrations::list(&mut tx, source).await?;
        tx.commit(()).await?;
        let with_token = |repository: Repository| {
            let name = repository.github_url.parse::<Address>().map(|a| a.credential());
            let kept = repository.registered_at.is_some()
                && name.is_ok_and(|name| tokens.iter().any(|(known, _)| *known == name));
            (repository, kept)
        };
        Ok(repositories.into_iter().map(with_token).collect())
    }

    async fn registered(&self, address: &Address) -> Result<String, RegistrarError> {
        let mut tx = self.store.begin().await?;
        let found = registrations::find(&mut tx, &self.source, address).await?;
        tx.commit(()).await?;
        // The id becomes part of a path, so only a valid one is used.
        found.filter(|id| is_repository_id(id)).ok_or(RegistrarError::NotRegistered)
    }

    async fn register_at_docora(
        &self,
        address: &Address,
        token: Option<&GithubToken>,
        before: Option<String>,
    ) -> Result<Changed, RegistrarError> {
        let repository_id = self.api.register(address, token).await?.repository_id;
        let before = before.filter(|before| *before != repository_id);
        Ok(Changed { repository_id, before, anew: true, released: 0 })
    }

    /// Records the change made at Docora, and releases the deliveries that waited for it.
    async fn record(
        &self,
        address: &Address,
        changed: Changed,
        sealed: Option<Sealed>,
        now: OffsetDateTime,
    ) -> Result<Changed, RegistrarError> {
        let id = &changed.repository_id;
        let mut tx: Tx<'_> = self.store.begin().await?;
        registrations::record(&mut tx, &self.source, address, id, now).await?;
        if let Some(sealed) = &sealed {
            tx.put_credential(&self.label(address), sealed, now).await?;
        }
        let action = if changed.anew { "register" } else { "update token" };
        self.audit(&mut tx, action, address, now).await?;
        let released = tx.make_awaiting_due(&self.source, &awaiting(id), now).await?;
        tx.commit(()).await?;
        Ok(Changed { released, ..changed })
    }

    async fn audit(
        &self,
        tx: &mut Tx<'_>,
        action: &str,
        address: &Address,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let By { actor, tenant, address: from, reason } = &self.by;
        let entry = AuditEntry {
            at: now,
            actor,
            action,
            target: &format!("repository {} of source {}", address.url(), self.source),
            reason,
            count: 1,
        };
        let more = AuditMore { tenant: tenant.as_deref(), address: *from, ..AuditMore::default() };
        tx.audit_with(&entry, more).await
    }

    fn seal(
        &self,
        address: &Address,
        token: Option<&GithubToken>,
    ) -> Result<Option<Sealed>, VaultError> {
        let seal =
            |token: &GithubToken| self.vault.seal(&self.label(address), token.expose().as_bytes());
        token.map(seal).transpose()
    }

    fn label(&self, address: &Address) -> Label {
        Label {
            tenant: self.tenant.clone(),
            source: self.source.clone(),
            name: address.credential(),
        }
    }
}
