//! Bodies above the limit of their source.

use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;

use super::{IncomingRequest, Taken, settle};
use crate::ingest::{IngestService, Reservation, Source};
use crate::verify::{RequestHead, StreamedBody};
use crate::web::oversize;
use crate::web::problem::{Problem, ProblemResponse};
use crate::web::report::Report;

impl IncomingRequest<'_> {
    /// Verifies a body above the limit while it streams, and records that it came.
    pub(super) async fn take_larger(
        &self,
        payload: &mut web::Payload,
        (source, head): (Arc<Source>, RequestHead),
        begun: (Bytes, Reservation),
        service: web::Data<IngestService>,
        report: &mut Report<'_>,
    ) -> Result<Taken, ProblemResponse> {
        let (now, lane, taken) = (self.now, self.lane(&source), Arc::clone(&source));
        let streamed = StreamedBody::begin(&source.verifier, head, now.unix_timestamp());
        let mut streamed = streamed.map_err(|no| (Problem::Unauthorized, no.reason()))?;
        let update = |piece: &[u8]| streamed.update(piece);
        report.size_bytes = self.read_larger(payload, &source, begun, update).await?;
        let recording = async move { service.accept_oversize(&taken, streamed, now, lane).await };
        match settle(self.ingest.tasks.spawn(recording).await) {
            Ok(receipt) => Ok(Taken::Recorded(receipt, source)),
            Err((problem, refusal)) => {
                if refusal.is_some() {
                    self.failed(&source);
                }
                Err(problem)
            }
        }
    }

    /// Reads and discards the rest of an oversized body; returns its size.
    pub(super) async fn read_larger(
        &self,
        payload: &mut web::Payload,
        source: &Source,
        begun: (Bytes, Reservation),
        see: impl FnMut(&[u8]),
    ) -> Result<usize, ProblemResponse> {
        let stream = (self.request, payload);
        let reading = oversize::read(stream, &self.ingest.oversize, self.peer(), begun, see);
        self.counting_failure(source, reading).await
    }
}
