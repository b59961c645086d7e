//! Why an operator does not get what they ask for.

use super::{Denied, Scope};
use crate::store::StoreError;
use crate::vault::VaultError;

/// Why not. The texts are for whoever asked; what is wrong inside is the cause.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// They may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It is about all tenants together, and they see one.
    #[error("this is about all tenants: who sees one of them only does not see it")]
    AllTenants,
    /// There is no such thing, or it is another tenant's: both look alike.
    #[error("there is no {0}")]
    NotFound(String),
    /// What they ask for cannot be asked for.
    #[error("{0}")]
    Invalid(String),
    /// It is in the way of something that is there.
    #[error("{0}")]
    Conflict(String),
    /// What is sealed cannot be opened, or nothing can be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error("the database is unavailable: try again")]
    Store(#[from] StoreError),
}

impl AdminError {
    /// The scope that is missing, where that is why.
    pub fn missing(&self) -> Option<Scope> {
        match self {
            Self::Denied(Denied(scope)) => Some(*scope),
            _ => None,
        }
    }
}
