//! What an operator does about repositories: at Docora, and then here.
//!
//! First the call, then one transaction for everything that follows from it. Whoever dies between
//! the two does it again: every one of these may be repeated. Whether somebody may is decided
//! before they come to the desk, where it is known who they are: see [`By`].

use std::net::IpAddr;

use time::OffsetDateTime;

use super::client::is_repository_id;
use super::{Address, ApiError, BadToken, DocoraClient, GithubToken, Repository, awaiting};
use crate::providers::docora::tables::registrations;
use crate::store::{AuditEntry, AuditMore, Store, StoreError, Tx};
use crate::vault::{Label, Sealed, Vault, VaultError};

/// The repositories of one source, for somebody who may change them.
#[derive(Debug, Clone)]
pub struct RepositoryRegistrar {
    /// The database.
    pub(crate) store: Store,
    /// For the repositories' tokens.
    pub(crate) vault: Vault,
    /// The source's tenant.
    pub(crate) tenant: String,
    /// The source.
    pub(crate) source: String,
    /// Docora.
    pub(crate) api: DocoraClient,
    /// Who acts.
    pub(crate) by: By,
}

/// Who acts and why, for the audit log. It is made where it was found that they may.
#[derive(Debug, Clone)]
pub struct By {
    /// Their name.
    pub(crate) actor: String,
    /// The only tenant whose things they see.
    pub(crate) tenant: Option<String>,
    /// The address that they ask from.
    pub(crate) address: Option<IpAddr>,
    /// Why, in their words.
    pub(crate) reason: String,
}

/// What a registration came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registering {
    /// It is registered already; Docora was not asked.
    Known(String),
    /// It is registered now.
    Registered(Changed),
}

/// How a repository is registered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Docora's id of it.
    pub repository_id: String,
    /// The id that it had before, if another.
    pub before: Option<String>,
    /// Whether it was registered again.
    pub anew: bool,
    /// How many deliveries waited for it, and go on now.
    pub released: u64,
}

/// What taking a registration back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unregistered {
    /// Its id.
    pub repository_id: String,
    /// Whether Docora knew it.
    pub known: bool,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// It is not registered here.
    #[error("the repository is not registered at this source")]
    NotRegistered,
    /// Docora did not do it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The token cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What was sealed is no token.
    #[error("invalid stored token")]
    Token(#[from] BadToken),
    /// The database failed. What was done at Docora stays done: do it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RepositoryRegistrar {
    /// Registers a repository, unless it is registered; with `again`, in any case, with the token
    /// that is kept where none is given.
    ///
    /// # Errors
    /// [`RegistrarError`].
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

    /// Takes a repository's registration back, and deletes its token. Files and cards stay as
    /// they are.
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
        tx.forget_credential(&self.label(address)).await?;
        self.audit(&mut tx, "unregister", address, now).await?;
        tx.commit(()).await?;
        Ok(Unregistered { repository_id, known })
    }

    /// Replaces a repository's token, at Docora and here. One that Docora does not know any more
    /// is registered anew.
    ///
    /// # Errors
    /// [`RegistrarError`].
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

    /// Every repository of the source, each with whether a token of it is kept.
    ///
    /// # Errors
    /// [`StoreError`].
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
        // It goes into a path: whatever stands in the table, nothing else does.
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

    /// Notes what was done at Docora, and lets go on what waited for it.
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
        let released = tx.release(&self.source, &awaiting(id), now).await?;
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
