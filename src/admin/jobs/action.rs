//! The action of a job, and the scope it requires.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::{DeadLetterAction, Scope};
use crate::store::JobAction;

/// The action on rejected requests.
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
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = RejectedRequestAction)]
pub enum RejectedAction {
    /// Verify them again, and accept those that pass.
    Reprocess,
    /// Delete them before the end of their retention.
    Discard,
}

impl RejectedAction {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<DeadLetterAction> for JobAction {
    fn from(action: DeadLetterAction) -> Self {
        match action {
            DeadLetterAction::Replay => Self::Replay,
            DeadLetterAction::Discard => Self::Discard,
        }
    }
}

impl From<RejectedAction> for JobAction {
    fn from(action: RejectedAction) -> Self {
        match action {
            RejectedAction::Reprocess => Self::ReprocessRejected,
            RejectedAction::Discard => Self::DiscardRejected,
        }
    }
}

impl JobAction {
    pub fn verb(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Resend => "resend",
            Self::RetryNow => "retry",
            Self::ReprocessRejected => "reprocess",
            Self::Discard | Self::DiscardRejected => "discard",
        }
    }

    /// Whether it applies to the deliveries of events.
    pub fn is_about_events(self) -> bool {
        matches!(self, Self::Resend | Self::RetryNow)
    }

    /// Whether it applies to rejected requests.
    pub fn is_about_rejected(self) -> bool {
        matches!(self, Self::ReprocessRejected | Self::DiscardRejected)
    }

    /// The scope that planning, starting and cancelling such a job requires.
    pub fn scope(self) -> Scope {
        if self.is_about_rejected() { Scope::SecretsWrite } else { Scope::EventsReplay }
    }

    /// The type of the alert about a large job.
    pub(super) fn alert(self) -> &'static str {
        match self {
            Self::Replay => "bulk_replay",
            Self::Resend => "bulk_resend",
            Self::RetryNow => "bulk_retry",
            Self::ReprocessRejected => "bulk_reprocess",
            Self::Discard | Self::DiscardRejected => "bulk_discard",
        }
    }
}
