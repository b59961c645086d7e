//! What becomes of one delivery that an operator picked. Pure.

use crate::admin::Routing;
use crate::store::{GATE, LockedDelivery, Resolution};

/// The event type of what could not be named.
const UNRECOGNISED: &str = "unrecognised";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make a new delivery of it.
    Replay,
    /// Leave it as it is, and mark it as resolved.
    Discard,
}

/// Why nothing is done about one of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is still being worked on.
    #[error("not finished: {0}")]
    Unfinished(String),
    /// It ended well.
    #[error("already done")]
    Done,
    /// An operator already resolved it.
    #[error("already {0}")]
    Resolved(String),
    /// The source is not configured, or is disabled: nobody would work on the replay.
    #[error("source `{0}` is not enabled or does not exist")]
    NoSource(String),
    /// The source has no such handler, or none for this type.
    #[error("source `{from}` has no matching handler")]
    NoHandler {
        /// The source.
        from: String,
    },
    /// Its event was removed.
    #[error("the event no longer exists")]
    EventGone,
    /// It is a rejected request that stays one.
    #[error("{0}")]
    Held(String),
}

impl Action {
    /// The action of this word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Replay, Self::Discard].into_iter().find(|action| action.as_str() == word)
    }

    /// The word in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }

    /// What it makes of a dead letter.
    pub fn resolution(self) -> Resolution {
        match self {
            Self::Replay => Resolution::Replayed,
            Self::Discard => Resolution::Discarded,
        }
    }

    /// The handlers that a new delivery is made for; none for what is discarded.
    pub(in crate::admin) fn decide(
        self,
        delivery: &LockedDelivery,
        routing: &Routing,
        force: bool,
    ) -> Result<Vec<String>, Refused> {
        let force = force && self == Self::Replay;
        match (delivery.state.as_str(), &delivery.resolution) {
            ("dead", Some(resolution)) if !force => {
                return Err(Refused::Resolved(resolution.clone()));
            }
            ("dead", _) => {}
            ("done", _) if force => {}
            ("done", _) => return Err(Refused::Done),
            (state, _) => return Err(Refused::Unfinished(state.to_owned())),
        }
        match self {
            Self::Replay => targets(delivery, routing),
            Self::Discard => Ok(Vec::new()),
        }
    }
}

fn targets(delivery: &LockedDelivery, routing: &Routing) -> Result<Vec<String>, Refused> {
    let route = routing.sources.get(&delivery.source);
    let route = route.ok_or_else(|| Refused::NoSource(delivery.source.clone()))?;
    let kind = delivery.kind.as_deref().ok_or(Refused::EventGone)?;
    let handlers: Vec<&str> = match delivery.handler.as_str() {
        // No handler has seen it. What it is called now is what it was called then; where it had
        // no name, every handler may look at it.
        GATE if kind == UNRECOGNISED => route.handlers.clone(),
        GATE => (route.takers)(kind),
        same => route.handlers.iter().copied().filter(|handler| *handler == same).collect(),
    };
    if handlers.is_empty() {
        return Err(Refused::NoHandler { from: delivery.source.clone() });
    }
    Ok(handlers.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn routing() -> Routing {
        let mut routing = Routing::default();
        let takers = |kind: &str| if kind == "paid" { vec!["ledger"] } else { vec![] };
        routing.add("billing", "default", vec!["ledger", "mail"], Arc::new(takers));
        routing
    }

    fn dead(handler: &str, kind: &str) -> LockedDelivery {
        LockedDelivery {
            id: 1,
            source: "billing".into(),
            handler: handler.into(),
            state: "dead".into(),
            resolution: None,
            kind: Some(kind.into()),
        }
    }

    fn replay(delivery: &LockedDelivery, force: bool) -> Result<Vec<String>, Refused> {
        Action::Replay.decide(delivery, &routing(), force)
    }

    #[test]
    fn a_replay_goes_to_the_same_handler_or_from_the_gate_to_those_that_take_it_now() {
        assert_eq!(replay(&dead("mail", "paid"), false).unwrap(), ["mail"]);
        assert_eq!(replay(&dead(GATE, "paid"), false).unwrap(), ["ledger"]);
        assert_eq!(replay(&dead(GATE, UNRECOGNISED), false).unwrap(), ["ledger", "mail"]);
    }

    #[test]
    fn a_replay_that_nobody_would_work_on_is_refused_even_by_force() {
        let elsewhere = LockedDelivery { source: "gone".into(), ..dead("mail", "paid") };
        let gone = LockedDelivery { kind: None, ..dead("mail", "paid") };
        let no_handler = Refused::NoHandler { from: "billing".into() };
        assert_eq!(replay(&elsewhere, true), Err(Refused::NoSource("gone".into())));
        assert_eq!(replay(&dead("fax", "paid"), true), Err(no_handler.clone()));
        assert_eq!(replay(&dead(GATE, "voided"), true), Err(no_handler));
        assert_eq!(replay(&gone, true), Err(Refused::EventGone));
    }

    #[test]
    fn only_force_replays_what_is_done_or_dealt_with_and_nothing_replays_what_is_unfinished() {
        let state = |state: &str| LockedDelivery { state: state.into(), ..dead("mail", "paid") };
        let resolved =
            LockedDelivery { resolution: Some("discarded".into()), ..dead("mail", "paid") };
        assert_eq!(replay(&state("done"), false), Err(Refused::Done));
        assert!(replay(&state("done"), true).is_ok());
        assert_eq!(replay(&resolved, false), Err(Refused::Resolved("discarded".into())));
        assert!(replay(&resolved, true).is_ok());
        for unfinished in ["ready", "leased"] {
            let refused = Err(Refused::Unfinished(unfinished.into()));
            assert_eq!(replay(&state(unfinished), true), refused);
        }
    }

    #[test]
    fn what_is_done_cannot_be_discarded_by_any_force() {
        let done = LockedDelivery { state: "done".into(), ..dead("mail", "paid") };
        assert_eq!(Action::Discard.decide(&done, &routing(), true), Err(Refused::Done));
    }
}
