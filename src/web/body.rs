//! Reads request bodies, bounded in size and time, with backpressure from a shared memory budget.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::oversize;
use super::problem::{Problem, ProblemResponse, of_broken_body};
use crate::ingest::{BudgetExhausted, Reservation};

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) deadline: Duration,
}

pub(super) enum Read {
    Complete(Bytes),
    /// The beginning of a body above the limit; the rest is still to be received.
    Larger(Bytes),
}

/// Reads the body exactly as received. A body in one piece is not copied.
pub(super) async fn read_body(
    request: &HttpRequest,
    payload: &mut web::Payload,
    limits: Limits,
    reservation: &mut Reservation,
) -> Result<Read, ProblemResponse> {
    let declared = oversize::declared(request);
    if declared > limits.bytes as u64 {
        return Ok(Read::Larger(Bytes::new()));
    }
    let declared = usize::try_from(declared).unwrap_or_default();
    let reading = async {
        let mut whole = Bytes::new();
        let mut pieces = BytesMut::new();
        loop {
            let piece = tokio::select! {
                piece = payload.next() => piece,
                () = reservation.evicted() => return Err((Problem::BodyTimeout, "body_stalled")),
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|error| of_broken_body(&error))?;
            let length = whole.len() + pieces.len() + piece.len();
            let larger = length > limits.bytes;
            if !larger {
                reservation.grow(piece.len()).await.map_err(no_room)?;
            }
            if whole.is_empty() && pieces.is_empty() {
                whole = piece;
            } else {
                if pieces.is_empty() {
                    // The full size at once: growing would need it twice. Memory that is not
                    // filled is not committed.
                    pieces.reserve(declared.max(length));
                }
                pieces.extend_from_slice(&std::mem::take(&mut whole));
                pieces.extend_from_slice(&piece);
            }
            if larger {
                return Ok(Read::Larger(if pieces.is_empty() { whole } else { pieces.freeze() }));
            }
        }
        reservation.complete();
        Ok(Read::Complete(if pieces.is_empty() { whole } else { pieces.freeze() }))
    };
    let ends = Instant::now() + limits.deadline;
    tokio::time::timeout_at(ends, reading)
        .await
        .unwrap_or(Err((Problem::BodyTimeout, "body_timeout")))
}

/// The response when the memory budget is exhausted.
pub(super) fn no_room(_: BudgetExhausted) -> ProblemResponse {
    (Problem::unavailable(), "inflight_bytes")
}
