//! Why a delivery was dead-lettered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::verify::Quarantine;

/// Why a delivery was dead-lettered: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeathReason {
    /// Authentic but unprocessable: it never reached a handler, or the handler could not read it.
    Quarantined(Quarantine),
    /// The maximum number of attempts failed.
    Exhausted,
    /// As `Exhausted`, and the handler panicked in the last attempt.
    Panicked,
    /// Its lease expired without a result every time: the event may crash the process.
    LeaseLost,
    /// It failed until its maximum age.
    TooOld,
    /// Its precondition was not met within the maximum age.
    PreconditionNotMet,
    /// The handler reported a permanent failure.
    Permanent,
    /// The account in the event does not own the object.
    WrongAccount,
    /// A test event at a live source, or a live event at a test source.
    LivemodeMismatch,
    UnknownRun,
    /// The source no longer has a handler with this name.
    HandlerMissing,
    /// The event was erased before the delivery was finished.
    Erased,
}

impl DeathReason {
    pub fn all() -> impl Iterator<Item = Self> {
        let own = [
            Self::Exhausted,
            Self::Panicked,
            Self::LeaseLost,
            Self::TooOld,
            Self::PreconditionNotMet,
            Self::Permanent,
            Self::WrongAccount,
            Self::LivemodeMismatch,
            Self::UnknownRun,
            Self::HandlerMissing,
            Self::Erased,
        ];
        Quarantine::ALL.into_iter().map(Self::Quarantined).chain(own)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined(reason) => reason.as_str(),
            Self::Exhausted => "exhausted",
            Self::Panicked => "panicked",
            Self::LeaseLost => "lease_lost",
            Self::TooOld => "too_old",
            Self::PreconditionNotMet => "precondition_not_met",
            Self::Permanent => "permanent",
            Self::WrongAccount => "wrong_account",
            Self::LivemodeMismatch => "livemode_mismatch",
            Self::UnknownRun => "unknown_run",
            Self::HandlerMissing => "handler_missing",
            Self::Erased => "erased",
        }
    }

    /// The title shown to users.
    pub fn text(self) -> &'static str {
        match self {
            Self::Quarantined(reason) => quarantined(reason),
            Self::Exhausted => "Every attempt failed",
            Self::Panicked => "Every attempt failed; the handler panicked in the last one",
            Self::LeaseLost => "Leases expired without a result; the event may crash the process",
            Self::TooOld => "It failed until its maximum age",
            Self::PreconditionNotMet => "Its precondition was not met in time",
            Self::Permanent => "The handler reported a permanent failure",
            Self::WrongAccount => "The account in the event does not own the object",
            Self::LivemodeMismatch => {
                "A test event at a live source, or a live event at a test source"
            }
            Self::UnknownRun => "The run was not started by this application",
            Self::HandlerMissing => "The source no longer has this handler",
            Self::Erased => "The event was erased before it was processed",
        }
    }
}

fn quarantined(reason: Quarantine) -> &'static str {
    match reason {
        Quarantine::EmptyBody => "The body is empty",
        Quarantine::NotUtf8 => "The body is not UTF-8",
        Quarantine::NotJson => "The body is not JSON",
        Quarantine::DuplicateKey => "A field is duplicated",
        Quarantine::NumberRange => "A number is too large",
        Quarantine::Schema => "A field is missing or has the wrong type",
        Quarantine::FieldLength => "A name is too long",
        Quarantine::ActionMismatch => "The action in the path differs from the one in the body",
        Quarantine::PathInvalid => "The file path is invalid",
        Quarantine::DigestMismatch => "The content does not match its digest",
        Quarantine::SizeMismatch => "The content does not match its size",
        Quarantine::TooLarge => "The body is larger than the source's limit",
        Quarantine::IdReused => "Its id was already used with a different body",
        Quarantine::Base64 => "The content is invalid base64",
        Quarantine::ChunkId => "The transfer id is invalid",
        Quarantine::ChunkRange => "The chunk number is out of range",
        Quarantine::ChunkLimit => "The transfer has too many chunks or bytes",
        Quarantine::ChunkMixed => "The chunk contradicts earlier chunks",
        Quarantine::ChunkSuperseded => "A newer transfer replaced this one",
        Quarantine::ChunkExpired => "The transfer expired before it was complete",
    }
}

impl fmt::Display for DeathReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("unknown death reason `{0}`; expected one of {known}", known = words())]
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

impl Serialize for DeathReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DeathReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for DeathReason {
    fn schema() -> RefOr<Schema> {
        let words = Self::all().map(Self::as_str);
        let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        words.description(Some("Why a delivery was dead-lettered")).into()
    }
}

impl utoipa::ToSchema for DeathReason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_distinct_words_and_round_trip() {
        let mut words: Vec<_> = DeathReason::all().map(DeathReason::as_str).collect();
        for word in &words {
            assert_eq!(word.parse::<DeathReason>().unwrap().as_str(), *word);
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), DeathReason::all().count());
    }
}
