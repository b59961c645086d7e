//! Handshakes that bring a secret.

use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;

use super::{IncomingRequest, Taken, settle};
use crate::ingest::{IngestService, Source};
use crate::verify::{BroughtSecret, RequestHead};
use crate::web::problem::ProblemResponse;
use crate::web::report::Report;

impl IncomingRequest<'_> {
    /// Stores the secret of a handshake, and answers it after the commit. It is never an event,
    /// whatever its signature.
    pub(super) async fn store_secret(
        &self,
        service: web::Data<IngestService>,
        (source, head, brought): (Arc<Source>, RequestHead, BroughtSecret),
        body: Bytes,
        report: &mut Report<'_>,
    ) -> Result<Taken, ProblemResponse> {
        if self.known {
            report.source(&source);
        }
        report.size_bytes = body.len();
        let (taken, now, lane) = (Arc::clone(&source), self.now, self.lane(&source));
        let from = self.sender.map(|sender| sender.address);
        // The connection may break: the secret is stored without it.
        let storing = self
            .ingest
            .tasks
            .spawn(async move { service.accept_handshake(&taken, brought, from, now, lane).await });
        match settle(storing.await) {
            Ok(stored) => Ok(Taken::Answered(Box::new(stored.into_inner()))),
            Err((problem, refusal)) => {
                if let Some(refusal) = refusal {
                    self.failed(&source);
                    self.keep_rejected(source, head, body, &refusal);
                }
                Err(problem)
            }
        }
    }
}
