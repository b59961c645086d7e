//! From what operators are told to what is answered over HTTP.

use actix_web::error::PayloadError;

use super::Denial;
use crate::http::connection::is_too_slow;
use crate::operator::{Denied, OperatorError};
use crate::store::StoreError;

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
            error if error.is_about_a_text() => Self::Malformed("a text holds a NUL".into()),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "a call failed");
                Self::Internal
            }
        }
    }
}

impl From<OperatorError> for Denial {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Denied(denied) => denied.into(),
            OperatorError::AllTenants => Self::AllTenants,
            OperatorError::NotFound(_) => Self::NotFound(Some(error.to_string())),
            OperatorError::Invalid(detail) => Self::Invalid(detail),
            OperatorError::Conflict(detail) => Self::Conflict(detail),
            OperatorError::Store(error) => error.into(),
            OperatorError::Vault(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a call failed");
                Self::Conflict(error.to_string())
            }
        }
    }
}
