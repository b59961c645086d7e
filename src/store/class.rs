//! The class of a dead letter.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeathReason, HandlerName, QUARANTINE};
use crate::verify::Quarantine;

/// The class of a failure: who has to act.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = GroupClass)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownClass, parse_err_fn = unknown)]
pub enum Class {
    /// A handler failed, or reported a permanent failure.
    Handler,
    /// A destination did not accept the event.
    Destination,
    /// Authentic, but not processable: no handler has seen it.
    Content,
    /// A chunked payload that stayed incomplete.
    Transfer,
    /// Every attempt was lost, a handler panicked, or the handler does not exist.
    Internal,
}

#[derive(Debug, thiserror::Error)]
#[error("unknown class `{0}`; expected handler, destination, content, transfer or internal")]
pub struct UnknownClass(String);

fn unknown(word: &str) -> UnknownClass {
    UnknownClass(word.to_owned())
}

impl Class {
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The class of a dead letter with this handler and death reason.
    pub fn of(handler: &str, reason: DeathReason) -> Self {
        use DeathReason::{HandlerMissing, LeaseLost, Panicked, Quarantined};
        match (handler, reason) {
            (_, Quarantined(Quarantine::ChunkExpired | Quarantine::ChunkSuperseded)) => {
                Self::Transfer
            }
            (QUARANTINE, _) => Self::Content,
            (_, HandlerMissing | Panicked | LeaseLost) => Self::Internal,
            (handler, _) if HandlerName::parse(handler).is_destination() => Self::Destination,
            _ => Self::Handler,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn dead_letters_have_a_class_and_classes_round_trip() {
        for (handler, reason, class) in [
            ("cards", DeathReason::Permanent, Class::Handler),
            ("cards", DeathReason::Exhausted, Class::Handler),
            ("cards", DeathReason::LeaseLost, Class::Internal),
            ("cards", DeathReason::Panicked, Class::Internal),
            ("cards", DeathReason::HandlerMissing, Class::Internal),
            ("to:app", DeathReason::Exhausted, Class::Destination),
            ("to:app", DeathReason::LeaseLost, Class::Internal),
            ("quarantine", DeathReason::Quarantined(Quarantine::NotJson), Class::Content),
            ("quarantine", DeathReason::Quarantined(Quarantine::ChunkExpired), Class::Transfer),
        ] {
            assert_eq!(Class::of(handler, reason), class, "{handler} {reason}");
        }
        for class in Class::VARIANTS {
            assert_eq!(class.as_str().parse::<Class>().unwrap(), *class);
        }
        assert!("none".parse::<Class>().is_err());
    }
}
