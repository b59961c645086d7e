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
#[error("`{0}` is not a class; there are handler, destination, content, transfer, internal")]
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

    /// The class of a dead letter with this handler, death reason and error text.
    pub(super) fn of(handler: &str, reason: &str, error: &str) -> Self {
        match (handler, reason) {
            (_, "chunk_expired" | "chunk_superseded") => Self::Transfer,
            (GATE, _) => Self::Content,
            (_, "handler_missing") => Self::Internal,
            _ if error.starts_with("the lease ran out with no result")
                || error.starts_with("the handler panicked: ")
                || error.starts_with("an effect panicked: ") =>
            {
                Self::Internal
            }
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
        let lost = "the lease ran out with no result: the gateway that held it stopped";
        for (handler, reason, error, class) in [
            ("cards", "permanent", "no front matter", Class::Handler),
            ("cards", "exhausted", "timed out", Class::Handler),
            ("cards", "exhausted", lost, Class::Internal),
            ("cards", "exhausted", "the handler panicked: index", Class::Internal),
            ("cards", "handler_missing", "", Class::Internal),
            ("to:app", "exhausted", "it answered 500", Class::Destination),
            ("to:app", "exhausted", lost, Class::Internal),
            ("gate", "not_json", "expected value", Class::Content),
            ("gate", "chunk_expired", "", Class::Transfer),
        ] {
            assert_eq!(Class::of(handler, reason, error), class, "{handler} {reason} {error}");
        }
        for class in Class::ALL {
            assert_eq!(class.as_str().parse::<Class>().unwrap(), class);
        }
        assert!("none".parse::<Class>().is_err());
    }
}
