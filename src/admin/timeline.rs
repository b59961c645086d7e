//! What happened to an event, told from its deliveries and the attempts at them.

use time::OffsetDateTime;

use crate::store::{DeadLetter, EventId, EventPreview, GATE, PastAction, PastAttempt};

/// Something that happened to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: OffsetDateTime,
    /// What: `received`, or `edited` where nobody sent it; `received again`,
    /// `received with another body`, `quarantined`; of an
    /// attempt its result: `done`, `retry`, `held`, `dead`, `lost`; of an operator: `replayed`,
    /// which made this delivery, `discarded`, `freed`, `dead` where its destination was deleted,
    /// and `edited`, which made another event of this one.
    pub what: String,
    /// How often it had been received by then, where it was again. Only the last time is kept.
    pub times: Option<u64>,
    /// The delivery that it is about.
    pub delivery: Option<i64>,
    /// Its handler.
    pub handler: Option<String>,
    /// Which attempt it was.
    pub attempt: Option<i32>,
    /// How long the attempt took.
    pub took: Option<time::Duration>,
    /// What went wrong, for callers with `payload:read`.
    pub error: Option<String>,
    /// Who, where an operator did it.
    pub by: Option<String>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The event that was made, where one was edited.
    pub made: Option<EventId>,
}

/// What happened to an event, in the order in which it happened.
pub(super) fn timeline(
    preview: &EventPreview,
    deliveries: &[DeadLetter],
    attempts: &[PastAttempt],
    operator_actions: &[PastAction],
) -> Vec<TimelineEntry> {
    let begin = if preview.edited.is_some() { "edited" } else { "received" };
    let mut moments = vec![moment(preview.event.received_at, begin)];
    if let (Some(count @ 2..), Some(last)) = (preview.seen_count, preview.last_seen_at) {
        let times = Some(u64::from(count.unsigned_abs()));
        moments.push(TimelineEntry { times, ..moment(last, "received again") });
    }
    if let (count @ 1.., Some(last)) = (preview.other_bodies, preview.last_seen_at) {
        let times = Some(u64::from(count));
        moments.push(TimelineEntry { times, ..moment(last, "received with another body") });
    }
    for delivery in deliveries {
        let made = operator_actions.iter().find(|past| past.replay == Some(delivery.id));
        if delivery.replay_of.is_some() {
            moments.push(by(made, of(delivery, delivery.created_at, "replayed")));
        }
        let own = attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
        moments.extend(own.map(|attempt| TimelineEntry {
            attempt: Some(attempt.number),
            took: Some(attempt.finished_at - attempt.started_at),
            error: attempt.error.clone(),
            ..of(delivery, attempt.finished_at, &attempt.result)
        }));
        let done: Vec<&PastAction> =
            operator_actions.iter().filter(|past| past.delivery == delivery.id).collect();
        let with = |action: &str| done.iter().find(|past| past.action == action).copied();
        if let (Some(died), "dead") = (delivery.finished_at, delivery.state.as_str()) {
            let what = if delivery.handler == GATE { "quarantined" } else { "dead" };
            let error = delivery.error.clone();
            if let Some(buried) = with("dead_letter") {
                moments
                    .push(by(Some(buried), TimelineEntry { error, ..of(delivery, died, "dead") }));
            } else if delivery.attempts == 0 {
                // What no handler has seen died without an attempt.
                moments.push(TimelineEntry { error, ..of(delivery, died, what) });
            }
        }
        if let Some(freed) = with("unblock") {
            moments.push(by(Some(freed), of(delivery, freed.at, "unblocked")));
        }
        if let (Some("discarded"), Some(at)) =
            (delivery.resolution.as_deref(), delivery.resolved_at)
        {
            moments.push(by(with("discard"), of(delivery, at, "discarded")));
        }
        let edited = done.iter().find_map(|past| {
            let event = EventId(past.replay_event?);
            (event != preview.event.id).then_some((past, event))
        });
        if let Some((past, event)) = edited {
            let edited = TimelineEntry { made: Some(event), ..of(delivery, past.at, "edited") };
            moments.push(by(Some(past), edited));
        }
    }
    // What happened at one instant stays in the order in which it was put here.
    moments.sort_by_key(|moment| moment.at);
    moments
}

fn moment(at: OffsetDateTime, what: &str) -> TimelineEntry {
    TimelineEntry {
        at,
        what: what.to_owned(),
        times: None,
        delivery: None,
        handler: None,
        attempt: None,
        took: None,
        error: None,
        by: None,
        reason: None,
        made: None,
    }
}

fn of(delivery: &DeadLetter, at: OffsetDateTime, what: &str) -> TimelineEntry {
    TimelineEntry {
        delivery: Some(delivery.id),
        handler: Some(delivery.handler.clone()),
        ..moment(at, what)
    }
}

/// The same, with who did it and why.
fn by(past: Option<&PastAction>, moment: TimelineEntry) -> TimelineEntry {
    TimelineEntry {
        by: past.map(|past| past.actor.clone()),
        reason: past.map(|past| past.reason.clone()).filter(|reason| !reason.is_empty()),
        ..moment
    }
}
