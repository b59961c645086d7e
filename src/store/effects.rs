//! The writes of a handler, applied in the transaction that settles its delivery.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeathReason, StoreError, Tx};

/// The result of a handler: the outcome and its database writes. They are applied in the
/// transaction that settles the delivery, so they take effect exactly once.
#[derive(Clone)]
pub struct Effects {
    outcome: Outcome,
    write: Option<Arc<dyn Write>>,
}

/// The outcome of a successful delivery.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = DeliveryOutcome)]
pub enum Outcome {
    /// It had an effect.
    Handled,
    /// Its content was already known, or older than what is known.
    Unchanged,
    /// The handler does not handle its type.
    Ignored,
}

/// The database writes of a handler. They may read under locks first, and decide then.
#[async_trait]
pub trait Write: Send + Sync {
    /// Applies the writes.
    ///
    /// # Errors
    /// An [`EffectError`]; everything written so far is rolled back.
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError>;

    /// For writes that deliveries can share: of those with the same name, one is applied for all
    /// the deliveries that are settled together. `None` settles the delivery alone.
    fn shared(&self) -> Option<&str> {
        None
    }
}

/// Why the writes were not applied.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// No retry can help: the delivery is dead-lettered.
    #[error("{detail}")]
    Rejected {
        reason: DeathReason,
        /// For operators.
        detail: String,
    },
    /// A precondition is not met yet. The delivery is retried until its maximum age, however many
    /// attempts that takes.
    #[error("{detail}")]
    NotYet {
        /// What is missing, for operators.
        detail: String,
        /// The minimum delay.
        retry_after: Duration,
        /// The name of what it waits for: see [`Tx::make_awaiting_due`]. `None` if nothing does.
        awaiting: Option<String>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for EffectError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Effects {
    /// Nothing to write, because the type is of no interest.
    pub fn ignored() -> Self {
        Self { outcome: Outcome::Ignored, write: None }
    }

    /// Nothing to write, because nothing changed.
    pub fn unchanged() -> Self {
        Self { outcome: Outcome::Unchanged, write: None }
    }

    /// The writes determine the outcome.
    pub fn write(write: impl Write + 'static) -> Self {
        Self { outcome: Outcome::Handled, write: Some(Arc::new(write)) }
    }

    /// Whether the delivery can be settled together with others.
    pub fn can_share(&self) -> bool {
        self.write.as_ref().is_none_or(|write| write.shared().is_some())
    }

    /// The name of its shared write.
    pub(super) fn shared(&self) -> Option<&str> {
        self.write.as_ref()?.shared()
    }

    pub(super) async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        match &self.write {
            Some(write) => write.apply(tx).await,
            None => Ok(self.outcome),
        }
    }
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
