//! Conversions of errors into [`Denial`].

use actix_web::error::PayloadError;

use super::Denial;
use crate::admin::{AdminError, Denied};
use crate::store::StoreError;
use crate::web::connection::is_too_slow;

impl From<PayloadError> for Denial {
    fn from(error: PayloadError) -> Self {
        if is_too_slow(&error) { Self::BodyTimeout } else { Self::BodyBroken }
    }
}

impl From<Denied> for Denial {
    fn from(denied: Denied) -> Self {
        Self::Forbidden(denied.0)
    }
}

impl From<StoreError> for Denial {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::CommitUnknown(_) => Self::Unavailable,
            error if error.is_invalid_text() => {
                Self::Malformed("a text contains a NUL character".into())
            }
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "API call failed");
                Self::Internal
            }
        }
    }
}

impl From<AdminError> for Denial {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Denied(denied) => denied.into(),
            AdminError::AllTenants => Self::AllTenants,
            AdminError::NotFound(_) => Self::NotFound(Some(error.to_string())),
            AdminError::Erased(detail) => Self::Erased(detail),
            AdminError::Invalid(detail) => Self::Invalid(detail),
            AdminError::Conflict(detail) => Self::Conflict(detail),
            AdminError::NeedsOption { detail, option } => Self::NeedsOption { detail, option },
            AdminError::Store(error) => error.into(),
            AdminError::Vault(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "API call failed");
                Self::Conflict(error.to_string())
            }
        }
    }
}
