//! Which deliveries of an event a job makes or retries. Pure.

use super::model::{ResendAction, ResendState};
use crate::admin::{Refused, Routing};
use crate::store::{DeliveryState, EventDeliveries, LatestDelivery, NewResend, ResendPage};
use crate::verify::TEST_EVENT_TYPE;

/// What a job does to one delivery, or for one that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Resend {
        new: NewResend,
        /// Whether the latest delivery is an open dead letter, which this resolves.
        resolves: bool,
    },
    Retry(i64),
    Skip(i64, Refused),
}

/// What a job selects of each event.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) action: ResendAction,
    pub(super) state: ResendState,
    /// The only handler; `None` for every one that has had a delivery.
    pub(super) handler: Option<&'a str>,
    pub(super) routing: &'a Routing,
}

impl Decision {
    /// The delivery it looks at; `None` for one that is missing.
    pub(super) fn delivery(&self) -> Option<i64> {
        match self {
            Self::Resend { new, .. } => new.previous,
            Self::Retry(id) | Self::Skip(id, _) => Some(*id),
        }
    }
}

impl Rule<'_> {
    /// The decisions about all events of a page, those of one event together.
    pub(super) fn decide_all(
        self,
        page: &ResendPage,
    ) -> impl Iterator<Item = (&EventDeliveries, Vec<Decision>)> {
        let decided = page.events.iter().map(move |event| (event, self.decide(event)));
        decided.filter(|(_, decisions)| !decisions.is_empty())
    }

    fn decide(self, event: &EventDeliveries) -> Vec<Decision> {
        let mut decisions: Vec<Decision> =
            event.latest.iter().filter_map(|latest| self.of_latest(event, latest)).collect();
        let missing = self.missing(event);
        decisions.extend(missing.map(|new| Decision::Resend { new, resolves: false }));
        decisions
    }

    fn of_latest(self, event: &EventDeliveries, latest: &LatestDelivery) -> Option<Decision> {
        if self.action == ResendAction::RetryNow {
            return latest.waits.then_some(Decision::Retry(latest.id));
        }
        let new = NewResend {
            event: event.event,
            handler: latest.handler.clone(),
            previous: Some(latest.id),
            lane_blocks: false,
        };
        match (latest.state, self.state) {
            (DeliveryState::Done, ResendState::Any | ResendState::Done)
            | (DeliveryState::Dead, ResendState::Any | ResendState::Dead) => {}
            (state @ (DeliveryState::Ready | DeliveryState::Leased), ResendState::Any) => {
                return Some(Decision::Skip(latest.id, Refused::Unfinished(state)));
            }
            _ => return None,
        }
        let route = self.routing.sources.get(&event.source);
        Some(match route {
            None => Decision::Skip(latest.id, Refused::NoSource(event.source.clone())),
            Some(route) if !route.handlers.contains(&&*latest.handler) => {
                let from = event.source.clone();
                Decision::Skip(latest.id, Refused::NoHandler { from })
            }
            Some(_) => Decision::Resend {
                new,
                resolves: latest.state == DeliveryState::Dead && latest.resolution.is_none(),
            },
        })
    }

    /// The first delivery to the handler, if the event would get one now. A quarantined event gets
    /// none: its dead letter is replayed instead. A test event is for nobody.
    fn missing(self, event: &EventDeliveries) -> Option<NewResend> {
        let handler = self.handler?;
        let is_wanted = self.action == ResendAction::Resend
            && matches!(self.state, ResendState::Any | ResendState::Missing);
        let is_for_nobody = event.quarantined || event.event_type == TEST_EVENT_TYPE;
        if !is_wanted || is_for_nobody || !event.latest.is_empty() {
            return None;
        }
        let route = self.routing.sources.get(&event.source)?;
        let accepts = (route.handlers_for)(&event.event_type).contains(&handler);
        accepts.then(|| NewResend {
            event: event.event,
            handler: handler.to_owned(),
            previous: None,
            lane_blocks: route.lane_blocks,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use time::OffsetDateTime;

    use super::*;
    use crate::store::{EventId, Resolution};

    fn routing() -> Routing {
        let mut routing = Routing::default();
        let handlers_for =
            |event_type: &str| if event_type == "void" { vec![] } else { vec!["to:app"] };
        routing.add("billing", "default", vec!["ledger", "to:app"], true, Arc::new(handlers_for));
        routing
    }

    fn event(latest: &[(&str, DeliveryState)]) -> EventDeliveries {
        let latest = latest.iter().zip(1..).map(|((handler, state), id)| LatestDelivery {
            id,
            handler: (*handler).to_owned(),
            state: *state,
            resolution: None,
            waits: *state == DeliveryState::Ready,
        });
        EventDeliveries {
            event: EventId::new(OffsetDateTime::UNIX_EPOCH),
            source: "billing".into(),
            event_type: "paid".into(),
            quarantined: false,
            latest: latest.collect(),
        }
    }

    /// The decisions, each in a word and the delivery that it looks at.
    fn decided(
        action: ResendAction,
        state: ResendState,
        handler: Option<&str>,
        event: &EventDeliveries,
    ) -> Vec<(&'static str, Option<i64>)> {
        let routing = routing();
        let rule = Rule { action, state, handler, routing: &routing };
        let word = |decision: &Decision| match decision {
            Decision::Resend { resolves: false, .. } => "resend",
            Decision::Resend { resolves: true, .. } => "replace",
            Decision::Retry(_) => "retry",
            Decision::Skip(..) => "skip",
        };
        rule.decide(event).iter().map(|one| (word(one), one.delivery())).collect()
    }

    #[test]
    fn state_selects_by_the_latest_delivery() {
        use DeliveryState::{Dead, Done, Leased, Ready};
        let resend = |state, of| {
            let event = event(&[("ledger", of)]);
            decided(ResendAction::Resend, state, None, &event)
        };
        for (state, of, expected) in [
            (ResendState::Any, Done, vec![("resend", Some(1))]),
            (ResendState::Any, Dead, vec![("replace", Some(1))]),
            (ResendState::Any, Ready, vec![("skip", Some(1))]),
            (ResendState::Any, Leased, vec![("skip", Some(1))]),
            (ResendState::Done, Done, vec![("resend", Some(1))]),
            (ResendState::Done, Dead, vec![]),
            (ResendState::Done, Ready, vec![]),
            (ResendState::Dead, Dead, vec![("replace", Some(1))]),
            (ResendState::Dead, Done, vec![]),
            (ResendState::Missing, Done, vec![]),
        ] {
            assert_eq!(resend(state, of), expected, "{state} of {of}");
        }
        let mut resolved = event(&[("ledger", Dead)]);
        resolved.latest[0].resolution = Some(Resolution::Discarded);
        let again = decided(ResendAction::Resend, ResendState::Dead, None, &resolved);
        assert_eq!(again, [("resend", Some(1))], "it stays discarded");
    }

    #[test]
    fn missing_delivery_is_made_where_the_handler_accepts_the_event() {
        let resend = |state, handler, event: &EventDeliveries| {
            decided(ResendAction::Resend, state, handler, event)
        };
        let new = event(&[]);
        for state in [ResendState::Any, ResendState::Missing] {
            assert_eq!(resend(state, Some("to:app"), &new), [("resend", None)]);
        }
        assert!(resend(ResendState::Done, Some("to:app"), &new).is_empty());
        assert!(resend(ResendState::Any, None, &new).is_empty(), "without a handler");
        assert!(resend(ResendState::Any, Some("ledger"), &new).is_empty(), "of another type");
        let void = EventDeliveries { event_type: "void".into(), ..new.clone() };
        assert!(resend(ResendState::Any, Some("to:app"), &void).is_empty(), "of another type");
        let quarantined = EventDeliveries { quarantined: true, ..new.clone() };
        assert!(resend(ResendState::Any, Some("to:app"), &quarantined).is_empty());
        let test = EventDeliveries { event_type: TEST_EVENT_TYPE.into(), ..new.clone() };
        assert!(resend(ResendState::Any, Some("to:app"), &test).is_empty());
        let gone = EventDeliveries { source: "gone".into(), ..new };
        assert!(resend(ResendState::Any, Some("to:app"), &gone).is_empty());
    }

    #[test]
    fn removed_handler_and_source_are_skipped() {
        let removed = event(&[("fax", DeliveryState::Done)]);
        let any = |event| decided(ResendAction::Resend, ResendState::Any, None, event);
        assert_eq!(any(&removed), [("skip", Some(1))]);
        let gone = event(&[("ledger", DeliveryState::Done)]);
        assert_eq!(any(&EventDeliveries { source: "gone".into(), ..gone }), [("skip", Some(1))]);
    }

    #[test]
    fn retry_takes_what_waits() {
        use DeliveryState::{Done, Ready};
        let both = event(&[("ledger", Ready), ("to:app", Done)]);
        let retried = decided(ResendAction::RetryNow, ResendState::Any, None, &both);
        assert_eq!(retried, [("retry", Some(1))]);
    }
}
