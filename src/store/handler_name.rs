//! Stored names of handlers: `deliveries.handler` holds them.

use std::fmt;

/// The prefix of destinations. The database's function `destination_of` has the same one.
const DESTINATION: &str = "to:";

/// A handler's stored name. A destination is a handler whose stored name is `to:` and its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerName<'a> {
    Handler(&'a str),
    Destination(&'a str),
}

impl<'a> HandlerName<'a> {
    pub fn parse(stored: &'a str) -> Self {
        match stored.strip_prefix(DESTINATION) {
            Some(name) => Self::Destination(name),
            None => Self::Handler(stored),
        }
    }

    /// The name of the destination; `None` for any other handler.
    pub fn destination(self) -> Option<&'a str> {
        match self {
            Self::Destination(name) => Some(name),
            Self::Handler(_) => None,
        }
    }

    pub fn is_destination(self) -> bool {
        self.destination().is_some()
    }

    /// For users: `to:app` is destination app.
    pub fn in_words(self) -> String {
        match self {
            Self::Destination(name) => format!("destination {name}"),
            Self::Handler(name) => name.to_owned(),
        }
    }
}

/// The stored name.
impl fmt::Display for HandlerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destination(name) => write!(f, "{DESTINATION}{name}"),
            Self::Handler(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_round_trip() {
        for (stored, name, words) in [
            ("cards", HandlerName::Handler("cards"), "cards"),
            ("quarantine", HandlerName::Handler("quarantine"), "quarantine"),
            ("to:app", HandlerName::Destination("app"), "destination app"),
        ] {
            assert_eq!(HandlerName::parse(stored), name);
            assert_eq!(name.to_string(), stored);
            assert_eq!(name.in_words(), words);
        }
        assert_eq!(HandlerName::parse("to:app").destination(), Some("app"));
        assert!(!HandlerName::parse("cards").is_destination());
    }
}
