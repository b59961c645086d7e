//! What a handler wants written, applied in the transaction that settles its delivery.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeathReason, StoreError, Tx};

/// What a handler has come to: the outcome, and the database writes that go with it. They are
/// applied in the same transaction that settles the delivery, so a database effect happens
/// exactly once.
pub struct Effects {
    outcome: Outcome,
    write: Option<Box<dyn Write>>,
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

/// Writes of one handler. It may read first, under locks of its own, and decide then.
#[async_trait]
pub trait Write: Send + Sync {
    /// Applies the writes.
    ///
    /// # Errors
    /// An [`EffectError`]; everything that was written so far is rolled back then.
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError>;
}

/// Why writes were not applied.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// No further attempt can help: the delivery becomes a dead letter.
    #[error("{detail}")]
    Rejected {
        /// The closed reason.
        reason: DeathReason,
        /// What exactly, for the operator.
        detail: String,
    },
    /// Not now: something that it needs is not there yet. The delivery is retried until it is too
    /// old, however many attempts that takes.
    #[error("{detail}")]
    NotYet {
        /// What is awaited, for the operator.
        detail: String,
        /// Not before this time has passed.
        retry_after: Duration,
        /// How whoever brings it will name it: see [`Tx::release`]. `None` where nobody will say.
        awaits: Option<String>,
    },
    /// The database failed.
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

    /// These writes, which say themselves what the outcome is.
    pub fn write(write: impl Write + 'static) -> Self {
        Self { outcome: Outcome::Handled, write: Some(Box::new(write)) }
    }

    pub(super) async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        match &self.write {
            Some(write) => write.apply(tx).await,
            None => Ok(self.outcome),
        }
    }
}

impl Outcome {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
