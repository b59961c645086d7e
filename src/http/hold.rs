//! Keeping what is refused, where its source is told to. Nothing here changes the answer.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::{HttpRequest, web};
use bytes::Bytes;
use time::OffsetDateTime;

use super::receive::{Ingest, Limits, enter, read_body};
use crate::gate::{Refusal, RequestHead};
use crate::intake::{Peer, Source};
use crate::operator::{Holding, RefusedRequest};

/// A request that was refused.
pub(super) struct Refused<'a> {
    pub(super) ingest: &'a Ingest,
    pub(super) source: Arc<Source>,
    pub(super) head: RequestHead,
    pub(super) peer: Option<IpAddr>,
    pub(super) now: OffsetDateTime,
}

impl Refused<'_> {
    /// Reads the body of a request that its head alone has refused, under the limits that hold for
    /// others, and holds it. Where it does not arrive there is nothing to hold.
    pub(super) async fn hold_unread(
        self,
        request: &HttpRequest,
        payload: web::Payload,
        refusal: &Refusal,
    ) {
        if self.source.hold.is_none() || !Holding::takes(refusal) {
            return;
        }
        let peer = self.peer.map(Peer::from);
        let Ok(_pass) = enter(self.ingest, peer, &self.source.name) else { return };
        let mut reservation = self.ingest.budget.open();
        let bytes = self.source.max_body.min(Holding::largest());
        let limits = Limits { bytes, deadline: self.source.body_deadline };
        if let Ok(body) = read_body(request, payload, limits, &mut reservation).await {
            self.hold(body, refusal);
        }
    }

    /// Holds it, if its source is told to and it is one of those that are held.
    pub(super) fn hold(self, body: Bytes, refusal: &Refusal) {
        let (Some(keep), Some(holding)) = (self.source.hold, &self.ingest.holding) else { return };
        if !Holding::takes(refusal) {
            return;
        }
        holding.hold(RefusedRequest {
            source: Arc::clone(&self.source.name),
            tenant: self.source.tenant.clone(),
            provider: self.source.gate.provider.name(),
            reason: refusal.reason(),
            head: self.head,
            body,
            peer: self.peer,
            received_at: self.now,
            keep,
        });
    }
}
