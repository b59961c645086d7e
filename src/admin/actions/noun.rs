//! What actions are applied to.

use std::fmt;

/// A kind of item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Event,
    /// A delivery that failed for good.
    DeadLetter,
    /// A delivery in any state.
    Delivery,
    Source,
    Handler,
    /// An application that events are forwarded to.
    Destination,
    /// A rejected request that is kept.
    RejectedRequest,
    Job,
    ApiKey,
    User,
}

/// How the items of a kind are identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    Number,
    Uuid,
    Name,
    /// By the public part of an API key.
    Key,
    User,
}

impl Noun {
    pub fn path(self) -> &'static str {
        match self {
            Self::Event => "events",
            Self::DeadLetter => "dead-letters",
            Self::Delivery => "deliveries",
            Self::Source => "sources",
            Self::Handler => "handlers",
            Self::Destination => "destinations",
            Self::RejectedRequest => "rejected-requests",
            Self::Job => "jobs",
            Self::ApiKey => "api-keys",
            Self::User => "users",
        }
    }

    /// The name of the path parameter of its id.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::DeadLetter | Self::Delivery => "delivery",
            Self::Source => "source",
            Self::Handler => "handler",
            Self::Destination => "destination",
            Self::RejectedRequest => "request",
            Self::Job => "job",
            Self::ApiKey => "key",
            Self::User => "user",
        }
    }

    /// The kind of its id, and a description for users.
    pub fn id(self) -> (IdKind, &'static str) {
        match self {
            Self::Event => (IdKind::Uuid, "Event ID"),
            Self::DeadLetter | Self::Delivery => (IdKind::Number, "Delivery ID"),
            Self::Source => (IdKind::Name, "Source name"),
            Self::Handler => (IdKind::Name, "Handler name"),
            Self::Destination => (IdKind::Name, "Destination name"),
            Self::RejectedRequest => (IdKind::Uuid, "ID of the rejected request"),
            Self::Job => (IdKind::Number, "Job ID"),
            Self::ApiKey => (IdKind::Key, "Key ID: the part between `slp_` and the next `_`"),
            Self::User => (IdKind::User, "User name"),
        }
    }

    /// The tag of its operations in the `OpenAPI` document.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Event => "events",
            Self::DeadLetter => "dead letters",
            Self::Delivery => "deliveries",
            Self::Source | Self::Handler => "pauses",
            Self::Destination => "destinations",
            Self::RejectedRequest => "rejected requests",
            Self::Job => "jobs",
            Self::ApiKey | Self::User => "access",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RejectedRequest => "rejected request",
            other => other.parameter(),
        })
    }
}
