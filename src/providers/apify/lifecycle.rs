//! The lifecycle of a run. Pure: from the stored state and an event to the new state.
//!
//! ```text
//!            SUCCEEDED                    RESURRECTED
//! initiated ───────────▶ succeeded ──────────────────────▶ initiated
//!    │   FAILED, ABORTED, TIMED_OUT
//!    ├─────────────────▶ failed ── SUCCEEDED, if later ──▶ succeeded
//!    │  timeout
//!    └─────────────────▶ expired ── any end ─────────────▶ succeeded or failed, late
//! ```
//!
//! Events may be repeated and out of order, so ends and resurrections are compared by Apify's
//! times. A run ends once unless it is resurrected: a failure never replaces a success unless a
//! known resurrection has undone it.

use time::OffsetDateTime;

use super::payload::Event;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) status: Status,
    /// Whether its end was reported late.
    pub(super) late: bool,
    pub(super) resurrected_at: Option<OffsetDateTime>,
    pub(super) finished_at: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Initiated,
    Succeeded,
    Failed,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Succeeded(OffsetDateTime),
    Failed(OffsetDateTime),
    Resurrected(OffsetDateTime),
}

impl Change {
    /// The change that `event` reports; `None` for types that are not about runs.
    pub(super) fn of(event: &Event, received_at: OffsetDateTime) -> Option<Self> {
        // A time in the future would exclude every later event.
        let at = |time: Option<OffsetDateTime>| time.unwrap_or(received_at).min(received_at);
        let ended = at(event.finished_at.or(event.created_at));
        match event.kind.as_str() {
            "ACTOR.RUN.CREATED" => Some(Self::Created),
            "ACTOR.RUN.SUCCEEDED" => Some(Self::Succeeded(ended)),
            "ACTOR.RUN.FAILED" | "ACTOR.RUN.ABORTED" | "ACTOR.RUN.TIMED_OUT" => {
                Some(Self::Failed(ended))
            }
            "ACTOR.RUN.RESURRECTED" => Some(Self::Resurrected(at(event.created_at))),
            _ => None,
        }
    }
}

impl State {
    /// The state after `change`; `None` if nothing changes. `late`: the event's token had expired.
    pub(super) fn after(self, change: Change, late: bool) -> Option<Self> {
        match change {
            Change::Created => None,
            Change::Succeeded(at) => self.ended(Status::Succeeded, at, late),
            Change::Failed(at) => self.ended(Status::Failed, at, late),
            Change::Resurrected(at) => self.resurrected(at),
        }
    }

    /// Whether the run has succeeded and `change` repeats that success or a later one.
    pub(super) fn succeeded_with(self, change: Change) -> bool {
        let Change::Succeeded(at) = change else { return false };
        self.status == Status::Succeeded && self.resurrected_at.is_none_or(|again| at >= again)
    }

    fn ended(self, status: Status, at: OffsetDateTime, late: bool) -> Option<Self> {
        let before_resurrection = self.resurrected_at.is_some_and(|resurrected| at < resurrected);
        let is_new = match self.status {
            Status::Initiated | Status::Expired => true,
            Status::Succeeded => false,
            Status::Failed => {
                status == Status::Succeeded && self.finished_at.is_some_and(|known| at > known)
            }
        };
        if before_resurrection || !is_new {
            return None;
        }
        let late = late || self.status == Status::Expired;
        Some(Self { status, late, finished_at: Some(at), ..self })
    }

    fn resurrected(self, at: OffsetDateTime) -> Option<Self> {
        // The end of an expired run is only when the gateway gave it up.
        let ended = self.finished_at.filter(|_| self.status != Status::Expired);
        let known = self.resurrected_at.max(ended);
        if known.is_some_and(|known| at <= known) {
            return None;
        }
        let (status, late) = (Status::Initiated, false);
        Some(Self { status, late, resurrected_at: Some(at), finished_at: None })
    }
}

impl Status {
    const ALL: [Self; 4] = [Self::Initiated, Self::Succeeded, Self::Failed, Self::Expired];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEW: State =
        State { status: Status::Initiated, late: false, resurrected_at: None, finished_at: None };

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_700_000_000 + seconds).unwrap()
    }

    fn play(changes: &[Change]) -> State {
        changes.iter().fold(NEW, |state, change| state.after(*change, false).unwrap_or(state))
    }

    #[test]
    fn run_ends_as_reported() {
        assert_eq!(play(&[Change::Succeeded(at(1))]).status, Status::Succeeded);
        assert_eq!(play(&[Change::Failed(at(1))]).status, Status::Failed);
        assert_eq!(play(&[Change::Created]), NEW);
    }

    #[test]
    fn failure_replaces_success_only_after_resurrection() {
        let success = play(&[Change::Succeeded(at(1))]);
        assert_eq!(success.after(Change::Failed(at(9)), false), None);
        let again = [Change::Succeeded(at(1)), Change::Resurrected(at(5)), Change::Failed(at(9))];
        assert_eq!(play(&again).status, Status::Failed);
    }

    #[test]
    fn late_event_from_before_a_resurrection_is_ignored() {
        let resurrected = [Change::Failed(at(1)), Change::Resurrected(at(5))];
        assert_eq!(play(&resurrected).status, Status::Initiated);
        let repeated = [&resurrected[..], &[Change::Failed(at(1))]].concat();
        assert_eq!(play(&repeated), play(&resurrected));
        // The resurrection arrives after the end of the resurrected run.
        let swapped = [Change::Failed(at(1)), Change::Succeeded(at(9)), Change::Resurrected(at(5))];
        assert_eq!(play(&swapped).status, Status::Succeeded);
    }

    #[test]
    fn success_replaces_failure_only_if_later() {
        assert_eq!(
            play(&[Change::Failed(at(1)), Change::Succeeded(at(2))]).status,
            Status::Succeeded
        );
        assert_eq!(play(&[Change::Failed(at(2)), Change::Succeeded(at(1))]).status, Status::Failed);
    }

    #[test]
    fn expired_run_may_end_late() {
        let expired = State { status: Status::Expired, finished_at: Some(at(86_400)), ..NEW };
        let ended = expired.after(Change::Succeeded(at(60)), false).unwrap();
        assert!(ended.late && ended.status == Status::Succeeded);
        let awaited = expired.after(Change::Resurrected(at(60)), false).unwrap();
        assert_eq!((awaited.status, awaited.finished_at), (Status::Initiated, None));
    }

    #[test]
    fn future_time_counts_as_now() {
        let event = Event {
            kind: "ACTOR.RUN.FAILED".into(),
            subject: None,
            actor_id: None,
            created_at: None,
            finished_at: Some(at(1_000_000)),
            dataset: None,
        };
        assert_eq!(Change::of(&event, at(10)), Some(Change::Failed(at(10))));
    }

    fn any_change() -> impl Strategy<Value = Change> {
        (0..3, 0_i64..20).prop_map(|(what, seconds)| match what {
            0 => Change::Succeeded(at(seconds)),
            1 => Change::Failed(at(seconds)),
            _ => Change::Resurrected(at(seconds)),
        })
    }

    proptest! {
        #[test]
        fn repeated_change_has_no_effect_and_only_initiated_runs_have_no_end(
            changes in proptest::collection::vec(any_change(), 1..12),
        ) {
            let mut state = NEW;
            for change in changes {
                state = state.after(change, false).unwrap_or(state);
                prop_assert_eq!(state.after(change, false), None);
                prop_assert_eq!(state.status == Status::Initiated, state.finished_at.is_none());
            }
        }
    }
}
