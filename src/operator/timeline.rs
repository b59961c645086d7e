//! What happened to an event, told from its deliveries and the attempts at them.

use time::OffsetDateTime;

use crate::store::{DeadLetter, EventPreview, PastAttempt};

/// Something that happened to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: OffsetDateTime,
    /// What: `received`, or `edited` where nobody sent it; `received again`,
    /// `received with another body`, `quarantined`; of an
    /// attempt its result: `done`, `retry`, `held`, `dead`, `lost`; of an operator: `replayed`,
    /// which made this delivery, and `discarded`.
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
}

/// What happened to an event, in the order in which it happened.
pub(super) fn timeline(
    preview: &EventPreview,
    deliveries: &[DeadLetter],
    attempts: &[PastAttempt],
) -> Vec<Moment> {
    let moment = |at, what: &str| Moment {
        at,
        what: what.to_owned(),
        times: None,
        delivery: None,
        handler: None,
        attempt: None,
        took: None,
        error: None,
    };
    let of = |delivery: &DeadLetter, at, what: &str| Moment {
        delivery: Some(delivery.id),
        handler: Some(delivery.handler.clone()),
        ..moment(at, what)
    };
    let begin = if preview.edited.is_some() { "edited" } else { "received" };
    let mut moments = vec![moment(preview.event.received_at, begin)];
    if let (Some(count @ 2..), Some(last)) = (preview.seen_count, preview.last_seen_at) {
        let times = Some(u64::from(count.unsigned_abs()));
        moments.push(Moment { times, ..moment(last, "received again") });
    }
    if let (count @ 1.., Some(last)) = (preview.other_bodies, preview.last_seen_at) {
        let times = Some(u64::from(count));
        moments.push(Moment { times, ..moment(last, "received with another body") });
    }
    for delivery in deliveries {
        if delivery.replay_of.is_some() {
            moments.push(of(delivery, delivery.created_at, "replayed"));
        }
        let own = attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
        moments.extend(own.map(|attempt| Moment {
            attempt: Some(attempt.number),
            took: Some(attempt.finished_at - attempt.started_at),
            error: attempt.error.clone(),
            ..of(delivery, attempt.finished_at, &attempt.result)
        }));
        // What no handler has seen died without an attempt.
        if let (Some(died), 0, "dead") =
            (delivery.finished_at, delivery.attempts, delivery.state.as_str())
        {
            let error = delivery.error.clone();
            moments.push(Moment { error, ..of(delivery, died, "quarantined") });
        }
        if let (Some("discarded"), Some(at)) =
            (delivery.resolution.as_deref(), delivery.resolved_at)
        {
            moments.push(of(delivery, at, "discarded"));
        }
    }
    // What happened at one instant stays in the order in which it was put here.
    moments.sort_by_key(|moment| moment.at);
    moments
}
