//! Bodies that are larger than is kept: read to their end and thrown away piece by piece.
//!
//! To a sender that repeats what was refused before it sends anything else, an early 413 would be
//! the last answer it ever gets to act on. So whoever sends such a body is heard out, up to a size
//! that no webhook has, and answered by what its signature says.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::StreamExt;

use super::problem::{Problem, of_broken_body};
use super::receive::ProblemResponse;
use crate::ingest::{Peer, Places, Reservation};

/// No body is read beyond this, whoever sends it: several times the largest file that GitHub takes,
/// written as JSON.
const MOST: usize = 512 * 1024 * 1024;
/// How long such a body may take to arrive, a place included. Senders give up sooner.
const DEADLINE: Duration = Duration::from_mins(1);

/// Room for such bodies.
#[derive(Debug, Clone)]
pub struct Oversize {
    places: Places,
    most: usize,
}

impl Oversize {
    /// For sources of which the one with the largest limit keeps bodies of `max_body` bytes.
    pub fn beyond(max_body: usize) -> Self {
        Self { places: Places::default(), most: MOST.max(max_body) }
    }
}

/// How many bytes the head says the body has; 0 where it does not say.
pub(super) fn declared(request: &HttpRequest) -> u64 {
    let length = request.headers().get(header::CONTENT_LENGTH);
    length.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Reads the rest of a body of which `begun` was read already, and shows each piece to `see`; says
/// how large it was. What was reserved for its beginning is given back at once.
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
        // Nobody waits with memory in hand.
        drop((begun, reservation));
        let _place = oversize.places.take(peer).await;
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
