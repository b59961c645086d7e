//! What an answer means.
//!
//! | Answer | Means |
//! |---|---|
//! | 2xx | done |
//! | 410 | the destination is gone: it is disabled |
//! | 408, 425, 429, 3xx, 5xx, none | it is the destination: tried again, and counted by its breaker |
//! | any other 4xx | it is this event: tried again too, until the attempts are used up |
//!
//! A `Retry-After` of 429 and 503 holds back the whole destination.

use time::OffsetDateTime;

use crate::dispatch::Failure;
use crate::outbound::{Answer, OutboundError};
use crate::store::FailureScope;

/// How much of an answer's body stands in an error, in characters.
const EXCERPT: usize = 200;
/// How much of an answer's body is kept to be looked at, in characters.
const SHOWN: usize = 2000;
/// How many of its headers, and how much of each value, in characters.
const HEADERS: (usize, usize) = (30, 200);

/// The destination did not take the event.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("destination responded {status}: {excerpt}")]
    Status { status: u16, excerpt: String },
    #[error("destination responded {0}")]
    Bare(u16),
    #[error("request to the destination failed")]
    Unanswered(#[source] OutboundError),
}

/// Judges what came of a request: nothing to say where the event was taken.
///
/// # Errors
/// [`Failure::NotTaken`].
pub(super) fn judge(
    result: Result<Answer, OutboundError>,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let (status, answer) = match result {
        Ok(answer) => (answer.status, Some(answer)),
        // What it has to say at such length is not of interest, only what it means.
        Err(OutboundError::AnswerTooLarge { status, .. }) => (status, None),
        Err(error) => {
            let fault = match error {
                OutboundError::Header(_) => FailureScope::Event,
                _ => FailureScope::Destination,
            };
            let error = NotTaken::Unanswered(error).into();
            return Err(Failure::NotTaken { fault, retry_after: None, error });
        }
    };
    let fault = match status {
        200..=299 => return Ok(()),
        410 => FailureScope::Gone,
        408 | 425 | 429 => FailureScope::Destination,
        400..=499 => FailureScope::Event,
        _ => FailureScope::Destination,
    };
    let retry_after = match (&answer, status) {
        (Some(answer), 429 | 503) => answer.retry_after(now),
        _ => None,
    };
    let excerpt = answer.map(|answer| excerpt(&answer.body)).unwrap_or_default();
    let error = if excerpt.is_empty() {
        NotTaken::Bare(status)
    } else {
        NotTaken::Status { status, excerpt }
    };
    Err(Failure::NotTaken { fault, retry_after, error: error.into() })
}

/// What operators see of an answer: its status, its headers but for what is secret, and the
/// beginning of its body.
pub(super) fn shown(
    result: &Result<Answer, OutboundError>,
) -> (Option<u16>, Vec<(String, String)>, String) {
    let answer = match result {
        Ok(answer) => answer,
        Err(OutboundError::AnswerTooLarge { status, .. }) => {
            return (Some(*status), Vec::new(), String::new());
        }
        Err(_) => return (None, Vec::new(), String::new()),
    };
    let secret = |name: &str| matches!(name, "set-cookie" | "authorization" | "www-authenticate");
    let (most, longest) = HEADERS;
    let headers = answer.headers.iter().filter(|(name, _)| !secret(name)).take(most);
    let headers = headers.map(|(name, value)| {
        let cut = |text: &str| text.chars().take(longest).collect::<String>();
        (cut(name), cut(value))
    });
    let start = answer.body.get(..answer.body.len().min(4 * SHOWN)).unwrap_or_default();
    let body = String::from_utf8_lossy(start).chars().take(SHOWN).collect();
    (Some(answer.status), headers.collect(), body)
}

/// A failure and its causes, in one line.
pub(super) fn said(failure: &Failure) -> String {
    let (Failure::Transient { error, .. }
    | Failure::Backlog { error, .. }
    | Failure::NotTaken { error, .. }
    | Failure::Panicked { error, .. }
    | Failure::Permanent { error, .. }) = failure;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The beginning of a text, on one line.
fn excerpt(body: &[u8]) -> String {
    let start = body.get(..body.len().min(4 * EXCERPT)).unwrap_or_default();
    let text = String::from_utf8_lossy(start);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::macros::datetime;

    use super::*;

    fn answer(status: u16) -> Answer {
        let headers = vec![("retry-after".to_owned(), "9".to_owned())];
        Answer { status, headers, body: Bytes::from_static(b"so\n it is") }
    }

    #[test]
    fn every_answer_has_a_meaning() {
        let now = datetime!(2026-11-20 12:00:00 UTC);
        for (status, expected) in [
            (200, None),
            (202, None),
            (299, None),
            (301, Some((FailureScope::Destination, None))),
            (304, Some((FailureScope::Destination, None))),
            (400, Some((FailureScope::Event, None))),
            (401, Some((FailureScope::Event, None))),
            (404, Some((FailureScope::Event, None))),
            (408, Some((FailureScope::Destination, None))),
            (410, Some((FailureScope::Gone, None))),
            (422, Some((FailureScope::Event, None))),
            (429, Some((FailureScope::Destination, Some(9)))),
            (500, Some((FailureScope::Destination, None))),
            (503, Some((FailureScope::Destination, Some(9)))),
            (504, Some((FailureScope::Destination, None))),
            (999, Some((FailureScope::Destination, None))),
        ] {
            let judged = judge(Ok(answer(status)), now).err().map(|failure| match failure {
                Failure::NotTaken { fault, retry_after, error } => {
                    assert_eq!(
                        error.to_string(),
                        format!("destination responded {status}: so it is")
                    );
                    (fault, retry_after.map(|wait| wait.as_secs()))
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(judged, expected, "{status}");
        }
        let too_large = |status| {
            let host = "app.example:443".to_owned();
            judge(Err(OutboundError::AnswerTooLarge { host, limit: 1, status }), now)
        };
        assert!(too_large(200).is_ok() && too_large(500).is_err());
    }
}
