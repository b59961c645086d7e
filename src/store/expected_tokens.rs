//! Tokens that a source still expects.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{StoreError, Tx};

/// The register of what a source has asked for and still awaits, kept by its provider.
#[async_trait]
pub trait ExpectedTokens: Send + Sync + 'static {
    /// Whether what the verified token `claims` names is still awaited, although the token is
    /// past its time.
    ///
    /// # Errors
    /// A [`StoreError`].
    async fn awaits(
        &self,
        tx: &mut Tx<'_>,
        claims: &[u8],
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Gives up what has been awaited for too long; says how many.
    ///
    /// # Errors
    /// A [`StoreError`].
    async fn expire(&self, tx: &mut Tx<'_>, now: OffsetDateTime) -> Result<u64, StoreError>;
}
