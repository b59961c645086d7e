//! Whether an action applies to a delivery, and which handlers a replay goes to. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::Routing;
use crate::store::{DeliveryState, Erasure, LockedDelivery, QUARANTINE, Resolution};

/// The event type of events whose type could not be determined.
const UNRECOGNISED: &str = "unrecognised";

/// The action on a dead letter.
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
pub enum DeadLetterAction {
    /// Create a new delivery of the same event.
    Replay,
    /// Mark it as resolved without another delivery.
    Discard,
}

/// Why an action does not apply to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is still in progress.
    #[error("not finished: {0}")]
    Unfinished(DeliveryState),
    #[error("already done")]
    Done,
    /// It was replayed or discarded before.
    #[error("already {0}")]
    Resolved(Resolution),
    /// The source is not configured or not enabled, so a replay would not be processed.
    #[error("source `{0}` is not enabled or does not exist")]
    NoSource(String),
    /// The source has no such handler, or none for this event type.
    #[error("source `{from}` has no matching handler")]
    NoHandler { from: String },
    #[error("the event no longer exists")]
    EventGone,
    /// The event was erased: when, by whom and why.
    #[error("the event was {0}")]
    Erased(Erasure),
    /// A rejected request that is still not accepted.
    #[error("{0}")]
    RejectedRequest(String),
}

impl DeadLetterAction {
    pub fn of(word: &str) -> Option<Self> {
        word.parse().ok()
    }

    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The resolution of a dead letter after it.
    pub fn resolution(self) -> Resolution {
        match self {
            Self::Replay => Resolution::Replayed,
            Self::Discard => Resolution::Discarded,
        }
    }

    /// The handlers that get a new delivery; none if it is discarded.
    pub(in crate::admin) fn decide(
        self,
        delivery: &LockedDelivery,
        routing: &Routing,
        force: bool,
    ) -> Result<Vec<String>, Refused> {
        if let (Self::Replay, Some(erasure)) = (self, &delivery.erased) {
            return Err(Refused::Erased(erasure.clone()));
        }
        let force = force && self == Self::Replay;
        match (delivery.state, delivery.resolution) {
            (DeliveryState::Dead, Some(resolution)) if !force => {
                return Err(Refused::Resolved(resolution));
            }
            (DeliveryState::Dead, _) => {}
            (DeliveryState::Done, _) if force => {}
            (DeliveryState::Done, _) => return Err(Refused::Done),
            (state @ (DeliveryState::Ready | DeliveryState::Leased), _) => {
                return Err(Refused::Unfinished(state));
            }
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
    let event_type = delivery.event_type.as_deref().ok_or(Refused::EventGone)?;
    let handlers: Vec<&str> = match delivery.handler.as_str() {
        // No handler has processed it. An event without a type goes to every handler.
        QUARANTINE if event_type == UNRECOGNISED => route.handlers.clone(),
        QUARANTINE => (route.handlers_for)(event_type),
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
        let handlers_for =
            |event_type: &str| if event_type == "paid" { vec!["ledger"] } else { vec![] };
        routing.add("billing", "default", vec!["ledger", "mail"], false, Arc::new(handlers_for));
        routing
    }

    fn dead(handler: &str, event_type: &str) -> LockedDelivery {
        LockedDelivery {
            id: 1,
            source: "billing".into(),
            handler: handler.into(),
            state: DeliveryState::Dead,
            resolution: None,
            event_type: Some(event_type.into()),
            erased: None,
        }
    }

    fn replay(delivery: &LockedDelivery, force: bool) -> Result<Vec<String>, Refused> {
        DeadLetterAction::Replay.decide(delivery, &routing(), force)
    }

    #[test]
    fn replay_goes_to_its_handler_and_from_quarantine_to_all_that_accept_it() {
        assert_eq!(replay(&dead("mail", "paid"), false).unwrap(), ["mail"]);
        assert_eq!(replay(&dead(QUARANTINE, "paid"), false).unwrap(), ["ledger"]);
        assert_eq!(replay(&dead(QUARANTINE, UNRECOGNISED), false).unwrap(), ["ledger", "mail"]);
    }

    #[test]
    fn replay_without_source_or_handler_is_refused_even_with_force() {
        let unknown_source = LockedDelivery { source: "gone".into(), ..dead("mail", "paid") };
        let deleted = LockedDelivery { event_type: None, ..dead("mail", "paid") };
        let no_handler = Refused::NoHandler { from: "billing".into() };
        assert_eq!(replay(&unknown_source, true), Err(Refused::NoSource("gone".into())));
        assert_eq!(replay(&dead("fax", "paid"), true), Err(no_handler.clone()));
        assert_eq!(replay(&dead(QUARANTINE, "voided"), true), Err(no_handler));
        assert_eq!(replay(&deleted, true), Err(Refused::EventGone));
    }

    #[test]
    fn erased_events_are_not_replayed_even_with_force() {
        let erasure = Erasure {
            at: time::OffsetDateTime::UNIX_EPOCH,
            by: "ada".into(),
            reason: "asked for".into(),
            body_sha256: String::new(),
        };
        let erased = LockedDelivery { erased: Some(erasure), ..dead("mail", "paid") };
        let refused = replay(&erased, true).unwrap_err().to_string();
        assert_eq!(refused, "the event was erased on 1970-01-01T00:00:00Z by ada: asked for");
    }

    #[test]
    fn force_replays_done_and_resolved_but_not_unfinished_deliveries() {
        let state = |state| LockedDelivery { state, ..dead("mail", "paid") };
        let resolution = Some(Resolution::Discarded);
        let resolved = LockedDelivery { resolution, ..dead("mail", "paid") };
        assert_eq!(replay(&state(DeliveryState::Done), false), Err(Refused::Done));
        assert!(replay(&state(DeliveryState::Done), true).is_ok());
        assert_eq!(replay(&resolved, false), Err(Refused::Resolved(Resolution::Discarded)));
        assert!(replay(&resolved, true).is_ok());
        for unfinished in [DeliveryState::Ready, DeliveryState::Leased] {
            assert_eq!(replay(&state(unfinished), true), Err(Refused::Unfinished(unfinished)));
        }
    }

    #[test]
    fn done_deliveries_cannot_be_discarded_even_with_force() {
        let done = LockedDelivery { state: DeliveryState::Done, ..dead("mail", "paid") };
        assert_eq!(DeadLetterAction::Discard.decide(&done, &routing(), true), Err(Refused::Done));
    }
}
