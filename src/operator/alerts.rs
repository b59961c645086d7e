//! What people were told, or are to be told, for those who look.

use super::{Caller, OperatorError, Scope};
use crate::store::{KeptAlert, Store};

/// The alerts, for those who look at them.
#[derive(Debug, Clone)]
pub struct AlertBook {
    store: Store,
}

impl AlertBook {
    /// The alerts of `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The newest, at most `limit`; without `all`, only those that go on or are still to be told.
    /// They belong to no tenant: a caller of one sees none.
    ///
    /// # Errors
    /// [`OperatorError::Denied`], [`OperatorError::Store`].
    pub async fn list(
        &self,
        caller: &Caller,
        all: bool,
        limit: u32,
    ) -> Result<Vec<KeptAlert>, OperatorError> {
        caller.needs(Scope::EventsRead)?;
        if caller.tenant().is_some() {
            return Ok(Vec::new());
        }
        Ok(self.store.alerts(all, limit).await?)
    }
}
