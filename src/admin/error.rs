//! Errors of the admin core.

use super::{Denied, Scope};
use crate::store::StoreError;
use crate::vault::VaultError;

/// Why a request fails. The texts are for the caller; internal details are in the source.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request covers all tenants, but the caller is limited to one.
    #[error("access to all tenants required")]
    AllTenants,
    /// Not found, or owned by another tenant: the two are not distinguished.
    #[error("{0} not found")]
    NotFound(String),
    /// The event was erased: when, by whom and why.
    #[error("{0}")]
    Erased(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Conflict(String),
    /// A conflict, unless an option of the action is on. Each surface offers the option in its own
    /// way.
    #[error("{detail}")]
    NeedsOption { detail: String, option: &'static str },
    /// A sealed value cannot be opened, or nothing can be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the database is unavailable, try again")]
    Store(#[from] StoreError),
}

impl AdminError {
    /// The missing scope, if that is the cause.
    pub fn missing(&self) -> Option<Scope> {
        match self {
            Self::Denied(Denied(scope)) => Some(*scope),
            _ => None,
        }
    }
}
