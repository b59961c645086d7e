//! Bodies above the size limit: read to the end and discarded piece by piece.
//!
//! A sender that retries a failed request before sending anything else would be stuck forever on an
//! early 413. So such a body is read completely, up to a size that no webhook has, and answered by
//! its signature.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::StreamExt;

use super::problem::{Problem, ProblemResponse, of_broken_body};
use crate::ingest::{Peer, Reservation, Slots};

/// The absolute limit of a body: several times the largest file on GitHub, encoded as JSON.
const MAX_BYTES: usize = 512 * 1024 * 1024;
/// The timeout of such a body, including waiting for capacity. Senders give up sooner.
const DEADLINE: Duration = Duration::from_mins(1);

/// Capacity for oversized bodies.
#[derive(Debug, Clone)]
pub struct Oversize {
    slots: Slots,
    most: usize,
}

impl Oversize {
    /// `max_body` is the largest body limit of all sources, in bytes.
    pub fn beyond(max_body: usize) -> Self {
        Self { slots: Slots::default(), most: MAX_BYTES.max(max_body) }
    }
}

/// The `Content-Length`; 0 if missing.
pub(super) fn declared(request: &HttpRequest) -> u64 {
    let length = request.headers().get(header::CONTENT_LENGTH);
    length.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Reads the rest of a body after `begun`, passes each piece to `see`, and returns the total size.
/// The memory reserved for its beginning is released immediately.
pub(super) async fn read(
    (request, payload): (&HttpRequest, &mut web::Payload),
    oversize: &Oversize,
    peer: Option<Peer>,
    (begun, reservation): (Bytes, Reservation),
    mut see: impl FnMut(&[u8]),
) -> Result<usize, ProblemResponse> {
    let too_large = (Problem::TooLarge { limit: oversize.most }, "too_large");
    if declared(request) > oversize.most as u64 {
        return Err(too_large);
    }
    let reading = async {
        let mut size = begun.len();
        see(&begun);
        // Do not wait while holding memory.
        drop((begun, reservation));
        let _slot = oversize.slots.take(peer).await;
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|error| of_broken_body(&error))?;
            size = size.saturating_add(piece.len());
            if size > oversize.most {
                return Err(too_large);
            }
            see(&piece);
        }
        Ok(size)
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .unwrap_or(Err((Problem::BodyTimeout, "body_timeout")))
}
