//! The timeline of an event: what happened to it, by its deliveries, their attempts and what users
//! did.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::{
    AttemptResult, Delivery, DeliveryAttempt, DeliveryState, EventId, EventPreview, PastAction,
    PastActionKind, QUARANTINE, Resolution, Trigger,
};

/// An entry of the timeline of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventMoment)]
pub struct TimelineEntry {
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What happened.
    pub what: TimelineKind,
    /// How often it had been received by then, for a duplicate. Only the last time is recorded.
    pub times: Option<u64>,
    /// The delivery.
    pub delivery: Option<i64>,
    /// The handler or destination of the delivery.
    pub handler: Option<String>,
    /// The number of the attempt.
    pub attempt: Option<i32>,
    /// The duration of the attempt.
    pub took_seconds: Option<f64>,
    /// The error; null without the scope `payload:read`.
    pub error: Option<String>,
    /// The operator, for an operator's action.
    pub by: Option<String>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The event created by an edit.
    pub made: Option<EventId>,
}

/// The kind of a timeline entry: about the event, an attempt, or an operator's action.
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
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = EventMomentWhat)]
pub enum TimelineKind {
    /// The event was received.
    Received,
    /// It was received again, with the same body.
    #[serde(rename = "received again")]
    #[strum(serialize = "received again")]
    ReceivedAgain,
    /// Its id was received again, with another body.
    #[serde(rename = "received with another body")]
    #[strum(serialize = "received with another body")]
    ReceivedWithAnotherBody,
    /// An operator created it by an edit, or created another event by editing it.
    Edited,
    /// It was quarantined.
    Quarantined,
    /// An operator erased its payload.
    Erased,
    /// An attempt succeeded.
    Done,
    /// An attempt failed and was to be repeated.
    Retry,
    /// An attempt was deferred, because its destination accepted nothing.
    Deferred,
    /// A delivery became a dead letter.
    Dead,
    /// An attempt ended without a result.
    Lost,
    /// An operator replayed an earlier delivery, which created this one.
    Replayed,
    /// An operator had the event delivered again, or for the first time.
    Resent,
    /// An operator made the waiting delivery due.
    #[serde(rename = "due now")]
    #[strum(serialize = "due now")]
    DueNow,
    /// An operator discarded the dead letter.
    Discarded,
    /// An operator unblocked the lane of the dead letter.
    Unblocked,
}

impl TimelineKind {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<AttemptResult> for TimelineKind {
    fn from(result: AttemptResult) -> Self {
        match result {
            AttemptResult::Done => Self::Done,
            AttemptResult::Retry => Self::Retry,
            AttemptResult::Deferred => Self::Deferred,
            AttemptResult::Dead => Self::Dead,
            AttemptResult::Lost => Self::Lost,
        }
    }
}

/// The timeline of an event, oldest first.
pub(super) fn timeline(
    preview: &EventPreview,
    deliveries: &[Delivery],
    attempts: &[DeliveryAttempt],
    operator_actions: &[PastAction],
) -> Vec<TimelineEntry> {
    let is_edited = preview.edited.is_some();
    let begin = if is_edited { TimelineKind::Edited } else { TimelineKind::Received };
    let mut entries = vec![entry(preview.event.received_at, begin)];
    if let (Some(count @ 2..), Some(last)) = (preview.seen_count, preview.last_seen_at) {
        let times = Some(u64::from(count.unsigned_abs()));
        entries.push(TimelineEntry { times, ..entry(last, TimelineKind::ReceivedAgain) });
    }
    if let (count @ 1.., Some(last)) = (preview.other_bodies, preview.last_seen_at) {
        let times = Some(u64::from(count));
        entries.push(TimelineEntry { times, ..entry(last, TimelineKind::ReceivedWithAnotherBody) });
    }
    for delivery in deliveries {
        let created = operator_actions.iter().find(|past| past.replay == Some(delivery.id));
        let made = match delivery.triggered_by {
            Trigger::Arrival => None,
            Trigger::Replay | Trigger::Edit => Some(TimelineKind::Replayed),
            Trigger::Resend => Some(TimelineKind::Resent),
        };
        if let Some(made) = made {
            entries.push(with_action(created, entry_of(delivery, delivery.created_at, made)));
        }
        let own = attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
        entries.extend(own.map(|attempt| TimelineEntry {
            attempt: Some(attempt.number),
            took_seconds: Some(attempt.seconds),
            error: attempt.error.clone(),
            ..entry_of(delivery, attempt.finished_at, attempt.result.into())
        }));
        let actions: Vec<&PastAction> =
            operator_actions.iter().filter(|past| past.delivery == delivery.id).collect();
        let with =
            |action: PastActionKind| actions.iter().find(|past| past.action == action).copied();
        if let (Some(died), DeliveryState::Dead) = (delivery.finished_at, delivery.state) {
            let is_quarantined = delivery.handler == QUARANTINE;
            let what = if is_quarantined { TimelineKind::Quarantined } else { TimelineKind::Dead };
            let error = delivery.error.clone();
            if let Some(action) = with(PastActionKind::DeadLetter) {
                let dead = entry_of(delivery, died, TimelineKind::Dead);
                entries.push(with_action(Some(action), TimelineEntry { error, ..dead }));
            } else if delivery.attempts == 0 {
                // Without an attempt there is no other entry for it.
                entries.push(TimelineEntry { error, ..entry_of(delivery, died, what) });
            }
        }
        let retried = actions.iter().filter(|past| past.action == PastActionKind::Retry);
        entries.extend(retried.map(|past| {
            with_action(Some(past), entry_of(delivery, past.at, TimelineKind::DueNow))
        }));
        if let Some(action) = with(PastActionKind::Unblock) {
            entries.push(with_action(
                Some(action),
                entry_of(delivery, action.at, TimelineKind::Unblocked),
            ));
        }
        if let (Some(Resolution::Discarded), Some(at)) = (delivery.resolution, delivery.resolved_at)
        {
            let discarded = entry_of(delivery, at, TimelineKind::Discarded);
            entries.push(with_action(with(PastActionKind::Discard), discarded));
        }
        let edited = actions.iter().find_map(|past| {
            let event = past.replay_event?;
            (event != preview.event.id).then_some((past, event))
        });
        if let Some((past, event)) = edited {
            let edited = entry_of(delivery, past.at, TimelineKind::Edited);
            entries.push(with_action(Some(past), TimelineEntry { made: Some(event), ..edited }));
        }
    }
    if let Some(erasure) = &preview.erased {
        entries.push(TimelineEntry {
            by: Some(erasure.by.clone()),
            reason: Some(erasure.reason.clone()),
            ..entry(erasure.at, TimelineKind::Erased)
        });
    }
    // The sort is stable: entries of the same time stay in the order above.
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn entry(at: OffsetDateTime, what: TimelineKind) -> TimelineEntry {
    TimelineEntry {
        at,
        what,
        times: None,
        delivery: None,
        handler: None,
        attempt: None,
        took_seconds: None,
        error: None,
        by: None,
        reason: None,
        made: None,
    }
}

fn entry_of(delivery: &Delivery, at: OffsetDateTime, what: TimelineKind) -> TimelineEntry {
    TimelineEntry {
        delivery: Some(delivery.id),
        handler: Some(delivery.handler.clone()),
        ..entry(at, what)
    }
}

/// Adds who did it and why.
fn with_action(past: Option<&PastAction>, entry: TimelineEntry) -> TimelineEntry {
    TimelineEntry {
        by: past.map(|past| past.actor.clone()),
        reason: past.map(|past| past.reason.clone()).filter(|reason| !reason.is_empty()),
        ..entry
    }
}
