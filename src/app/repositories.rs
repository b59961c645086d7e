//! Admin actions on the repositories that Docora watches: checks permissions and reasons. The
//! provider carries out the actions.

use crate::admin::{AdminError, Caller, Reason, Scope};
use crate::providers::docora::registry::{By, DocoraClient, Repository, RepositoryRegistrar};
use crate::store::Store;
use crate::vault::Vault;

/// The repositories of one source.
#[derive(Debug, Clone)]
pub struct Repositories {
    pub store: Store,
    /// Seals the access tokens of the repositories.
    pub vault: Vault,
    pub tenant: String,
    pub source: String,
    pub api: DocoraClient,
}

impl Repositories {
    /// Checks that the caller may change them, and returns the registrar.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] for a source of another tenant; [`AdminError::Invalid`] without a
    /// reason.
    pub fn desk(&self, caller: &Caller, reason: &str) -> Result<RepositoryRegistrar, AdminError> {
        caller.needs(Scope::SourcesWrite)?;
        sees(caller, &self.tenant, &self.source)?;
        let by = By {
            actor: caller.actor().to_owned(),
            tenant: caller.tenant().map(str::to_owned),
            address: caller.address(),
            reason: Reason::new(reason)?.into(),
        };
        let Self { store, vault, tenant, source, api } = self.clone();
        Ok(RepositoryRegistrar { store, vault, tenant, source, api, by })
    }
}

/// Every repository of a source, each with whether a token is stored.
///
/// # Errors
/// [`AdminError::NotFound`] for a source of another tenant.
pub async fn repositories(
    caller: &Caller,
    store: &Store,
    tenant: &str,
    source: &str,
) -> Result<Vec<(Repository, bool)>, AdminError> {
    caller.needs(Scope::EventsRead)?;
    sees(caller, tenant, source)?;
    Ok(RepositoryRegistrar::list(store, tenant, source).await?)
}

fn sees(caller: &Caller, tenant: &str, source: &str) -> Result<(), AdminError> {
    if caller.tenant().is_some_and(|own| own != tenant) {
        return Err(AdminError::NotFound(format!("source `{source}`")));
    }
    Ok(())
}
