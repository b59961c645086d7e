//! The meaning of a response.
//!
//! | Response | Meaning |
//! |---|---|
//! | 2xx | accepted |
//! | 410 | the destination is gone and is disabled |
//! | 408, 425, 429, 3xx, 5xx, none | the destination's fault: retried, and counted by its circuit
//! breaker |
//! | any other 4xx | the event's fault: also retried, until the attempts are used up |
//!
//! A `Retry-After` of 429 and 503 delays the whole destination.

use time::OffsetDateTime;

use crate::dispatch::Failure;
use crate::outbound::{Answer, OutboundError};
use crate::store::FailureScope;

/// The length of a response body in an error message, in characters.
const EXCERPT: usize = 200;
/// The stored length of a response body, in characters.
const STORED: usize = 2000;
/// The maximum number of stored headers, and the length of each value in characters.
const HEADERS: (usize, usize) = (30, 200);

/// The destination did not accept the event.
#[derive(Debug, thiserror::Error)]
enum NotAccepted {
    #[error("destination responded {status}: {excerpt}")]
    Status { status: u16, excerpt: String },
    #[error("destination responded {0}")]
    StatusOnly(u16),
    #[error("request to the destination failed")]
    NoResponse(#[source] OutboundError),
}

/// Evaluates the result of a request; `Ok` if the event was accepted.
pub(super) fn evaluate(
    result: Result<Answer, OutboundError>,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let (status, answer) = match result {
        Ok(answer) => (answer.status, Some(answer)),
        // The body is too long to be useful; only the status matters.
        Err(OutboundError::AnswerTooLarge { status, .. }) => (status, None),
        Err(error) => {
            let scope = match error {
                OutboundError::Header(_) => FailureScope::Event,
                _ => FailureScope::Destination,
            };
            let error = NotAccepted::NoResponse(error).into();
            return Err(Failure::Rejected { scope, retry_after: None, error });
        }
    };
    let scope = match status {
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
        NotAccepted::StatusOnly(status)
    } else {
        NotAccepted::Status { status, excerpt }
    };
    Err(Failure::Rejected { scope, retry_after, error: error.into() })
}

/// The parts of a response that operators see: the status, the headers except secret ones, and the
/// beginning of the body.
pub(super) fn for_display(
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
    let start = answer.body.get(..answer.body.len().min(4 * STORED)).unwrap_or_default();
    let body = String::from_utf8_lossy(start).chars().take(STORED).collect();
    (Some(answer.status), headers.collect(), body)
}

/// The error message and its causes, on one line.
pub(super) fn error_chain(failure: &Failure) -> String {
    let (Failure::Transient { error, .. }
    | Failure::NotReady { error, .. }
    | Failure::Rejected { error, .. }
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

/// The beginning of a body, on one line.
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
    fn each_response_has_its_meaning() {
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
            let outcome = evaluate(Ok(answer(status)), now).err().map(|failure| match failure {
                Failure::Rejected { scope, retry_after, error } => {
                    assert_eq!(
                        error.to_string(),
                        format!("destination responded {status}: so it is")
                    );
                    (scope, retry_after.map(|wait| wait.as_secs()))
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(outcome, expected, "{status}");
        }
        let too_large = |status| {
            let host = "app.example:443".to_owned();
            evaluate(Err(OutboundError::AnswerTooLarge { host, limit: 1, status }), now)
        };
        assert!(too_large(200).is_ok() && too_large(500).is_err());
    }
}
