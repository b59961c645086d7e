//! Stores rejected requests for sources with `keep_rejected`. It never changes the response.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::admin::{NewlyRejected, RejectedRequestWriter};
use crate::ingest::Source;
use crate::verify::{Refusal, RequestHead};

pub(super) struct Rejected<'a> {
    pub(super) writer: Option<&'a RejectedRequestWriter>,
    pub(super) source: Arc<Source>,
    pub(super) head: RequestHead,
    pub(super) peer: Option<IpAddr>,
    pub(super) now: OffsetDateTime,
}

impl Rejected<'_> {
    /// Stores it, if its source keeps rejected requests of this kind.
    pub(super) fn keep(mut self, mut body: Bytes, refusal: &Refusal) {
        let (Some(retention), Some(writer)) = (self.source.keep_rejected, self.writer) else {
            return;
        };
        let max_body = self.source.max_body;
        if !RejectedRequestWriter::keeps(refusal) || body.len() > max_body {
            return;
        }
        self.source.verifier.provider.redact(&mut self.head, &mut body);
        writer.keep(NewlyRejected {
            source: Arc::clone(&self.source.name),
            tenant: self.source.tenant.clone(),
            provider: self.source.verifier.provider.name(),
            reason: refusal.kind(),
            head: self.head,
            body,
            peer: self.peer,
            received_at: self.now,
            keep: retention,
        });
    }
}
