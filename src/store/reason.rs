//! Why a delivery is dead.

use std::fmt;
use std::str::FromStr;

use crate::gate::Quarantine;

/// Why a delivery is dead: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeathReason {
    /// Authentic but useless; it never reached a handler, or the handler could not read it.
    Quarantined(Quarantine),
    /// Every attempt that the policy allows has failed.
    Exhausted,
    /// It kept failing for longer than the policy allows.
    TooOld,
    /// What it waited for did not come for longer than the policy allows.
    AwaitedInVain,
    /// The handler says that no further attempt can help.
    Permanent,
    /// The account in the event does not own what the event would change.
    WrongAccount,
    /// A test event at a live source, or the other way round.
    LivemodeMismatch,
    /// The run was not started by this application.
    UnknownRun,
    /// The source has no handler of this name any more.
    HandlerMissing,
}

impl DeathReason {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let own = [
            Self::Exhausted,
            Self::TooOld,
            Self::AwaitedInVain,
            Self::Permanent,
            Self::WrongAccount,
            Self::LivemodeMismatch,
            Self::UnknownRun,
            Self::HandlerMissing,
        ];
        Quarantine::ALL.into_iter().map(Self::Quarantined).chain(own)
    }

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined(reason) => reason.as_str(),
            Self::Exhausted => "exhausted",
            Self::TooOld => "too_old",
            Self::AwaitedInVain => "awaited_in_vain",
            Self::Permanent => "permanent",
            Self::WrongAccount => "wrong_account",
            Self::LivemodeMismatch => "livemode_mismatch",
            Self::UnknownRun => "unknown_run",
            Self::HandlerMissing => "handler_missing",
        }
    }
}

impl fmt::Display for DeathReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is not one of the closed list.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a death reason: they are {known}", known = words())]
pub struct UnknownReason(String);

fn words() -> String {
    let words: Vec<&str> = DeathReason::all().map(DeathReason::as_str).collect();
    words.join(", ")
}

impl FromStr for DeathReason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::all().find(|reason| reason.as_str() == word).ok_or_else(|| UnknownReason(word.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_is_read_back_from_it() {
        let mut words: Vec<_> = DeathReason::all().map(DeathReason::as_str).collect();
        for word in &words {
            assert_eq!(word.parse::<DeathReason>().unwrap().as_str(), *word);
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), DeathReason::all().count());
    }
}
