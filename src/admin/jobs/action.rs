//! What a job does, and to what.

use std::fmt;

use crate::admin::{Action, Scope};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobAction {
    /// This to dead letters.
    Letters(Action),
    /// This to rejected requests.
    Held(RejectedAction),
}

/// What is done about a rejected request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectedAction {
    /// It is reprocessed, and accepted where it verifies.
    Verify,
    /// It is removed before its time.
    Discard,
}

impl JobAction {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Letters(Action::Replay),
        Self::Letters(Action::Discard),
        Self::Held(RejectedAction::Verify),
        Self::Held(RejectedAction::Discard),
    ];

    /// The action of this stored word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Letters(action) => action.as_str(),
            Self::Held(RejectedAction::Verify) => "verify_held",
            Self::Held(RejectedAction::Discard) => "discard_held",
        }
    }

    /// The verb, for users.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Letters(action) => action.as_str(),
            Self::Held(RejectedAction::Verify) => "verify",
            Self::Held(RejectedAction::Discard) => "discard",
        }
    }

    /// Whether it is about rejected requests.
    pub fn is_about_rejected(self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// What a user needs who plans, starts or cancels such a job.
    pub fn scope(self) -> Scope {
        if self.is_about_rejected() { Scope::SecretsWrite } else { Scope::EventsReplay }
    }

    /// Under which kind users are told that many are resolved.
    pub(super) fn alert(self) -> &'static str {
        match self {
            Self::Letters(Action::Replay) => "bulk_replay",
            Self::Held(RejectedAction::Verify) => "bulk_verify",
            Self::Letters(Action::Discard) | Self::Held(RejectedAction::Discard) => "bulk_discard",
        }
    }
}

impl fmt::Display for JobAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_read_back_from_its_word() {
        for action in JobAction::ALL {
            assert_eq!(JobAction::of(action.as_str()), Some(action));
        }
    }
}
