//! Events that cannot be read.

use super::AdminError;
use crate::store::{EventId, Store};

/// Why an event cannot be read: it was erased, or it does not exist for this tenant.
pub(super) async fn unreadable(store: &Store, event: EventId, tenant: Option<&str>) -> AdminError {
    match store.erasure_of(event, tenant).await {
        Ok(Some(erasure)) => AdminError::Erased(format!("event {event} was {erasure}")),
        Ok(None) => AdminError::NotFound(format!("event {event}")),
        Err(error) => error.into(),
    }
}
