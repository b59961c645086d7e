//! Why a sign-in, or another check of a password, failed.

use crate::admin::AdminError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The name, the password or the code is wrong. Which one is not revealed.
    #[error("wrong name, password or two-factor code")]
    Wrong,
    #[error("too many attempts: try again later")]
    TooMany {
        /// Seconds until a retry is allowed.
        after: u64,
    },
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Admin(error.into())
    }
}
