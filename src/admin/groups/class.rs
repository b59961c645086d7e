//! What kind of failure a dead letter is.

use std::fmt;
use std::str::FromStr;

use crate::store::{GATE, TO};

/// What kind of failure a dead letter is: whom it asks to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A handler failed, or said that no attempt can help.
    Handler,
    /// An application did not take the event.
    Destination,
    /// Authentic, and useless: no handler has seen it.
    Content,
    /// A payload in chunks that never became whole.
    Transfer,
    /// A fault of ours: every attempt was lost, something panicked, or there is no such handler.
    Internal,
}

/// The word is no class.
#[derive(Debug, thiserror::Error)]
#[error("unknown class `{0}`; expected handler, destination, content, transfer or internal")]
pub struct UnknownClass(String);

impl Class {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Handler, Self::Destination, Self::Content, Self::Transfer, Self::Internal];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Destination => "destination",
            Self::Content => "content",
            Self::Transfer => "transfer",
            Self::Internal => "internal",
        }
    }

    /// The class of a dead letter with this handler and death reason.
    pub(super) fn of(handler: &str, reason: &str) -> Self {
        match (handler, reason) {
            (_, "chunk_expired" | "chunk_superseded") => Self::Transfer,
            (GATE, _) => Self::Content,
            (_, "handler_missing" | "panicked" | "lease_lost") => Self::Internal,
            (handler, _) if handler.starts_with(TO) => Self::Destination,
            _ => Self::Handler,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(word: &str) -> Result<Self, UnknownClass> {
        let found = Self::ALL.into_iter().find(|class| class.as_str() == word);
        found.ok_or_else(|| UnknownClass(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dead_letter_is_of_one_class_and_each_class_is_read_from_its_word() {
        for (handler, reason, class) in [
            ("cards", "permanent", Class::Handler),
            ("cards", "exhausted", Class::Handler),
            ("cards", "lease_lost", Class::Internal),
            ("cards", "panicked", Class::Internal),
            ("cards", "handler_missing", Class::Internal),
            ("to:app", "exhausted", Class::Destination),
            ("to:app", "lease_lost", Class::Internal),
            ("gate", "not_json", Class::Content),
            ("gate", "chunk_expired", Class::Transfer),
        ] {
            assert_eq!(Class::of(handler, reason), class, "{handler} {reason}");
        }
        for class in Class::ALL {
            assert_eq!(class.as_str().parse::<Class>().unwrap(), class);
        }
        assert!("none".parse::<Class>().is_err());
    }
}
