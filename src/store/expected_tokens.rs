//! Tokens that a source still expects, although they have expired.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{StoreError, Tx};

/// The outstanding requests of a source, kept by its provider.
#[async_trait]
pub trait ExpectedTokens: Send + Sync + 'static {
    /// Whether the request named by the verified token `claims` is still outstanding, although the
    /// token has expired.
    ///
    /// # Errors
    /// A [`StoreError`].
    async fn contains(
        &self,
        tx: &mut Tx<'_>,
        claims: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Removes requests that have been outstanding for too long, and returns their number.
    ///
    /// # Errors
    /// A [`StoreError`].
    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError>;
}
