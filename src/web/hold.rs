//! Stores rejected requests for sources with `keep_rejected`. It never changes the response.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::admin::{NewlyRejected, RejectedRequestWriter};
use crate::ingest::Source;
use crate::verify::{Refusal, RequestHead};

/// A rejected request.
pub(super) struct Refused<'a> {
    pub(super) rejected_request_writer: Option<&'a RejectedRequestWriter>,
    pub(super) source: Arc<Source>,
    pub(super) head: RequestHead,
    pub(super) peer: Option<IpAddr>,
    pub(super) now: OffsetDateTime,
}

impl Refused<'_> {
    /// Stores it, if its source keeps rejected requests of this kind.
    pub(super) fn hold(mut self, body: Bytes, refusal: &Refusal) {
        let (Some(keep), Some(rejected_request_writer)) =
            (self.source.hold, self.rejected_request_writer)
        else {
            return;
        };
        let most = self.source.max_body;
        if !RejectedRequestWriter::takes(refusal) || body.len() > most {
            return;
        }
        self.source.gate.provider.redact(&mut self.head);
        rejected_request_writer.keep(NewlyRejected {
            source: Arc::clone(&self.source.name),
            tenant: self.source.tenant.clone(),
            provider: self.source.gate.provider.name(),
            reason: refusal.kind(),
            head: self.head,
            body,
            peer: self.peer,
            received_at: self.now,
            keep,
        });
    }
}
