//! Keeps rejected requests, without slowing down others: a bounded queue, and one task that seals
//! and writes. When the queue is full, a new request is dropped and counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::sealed;
use crate::lifecycle::caught;
use crate::store::{EventId, NewRejectedRequest, RejectedRequestLimits, Store};
use crate::vault::Vault;
use crate::verify::{Refusal, RefusalReason, RequestHead};

/// The maximum number of queued requests.
const QUEUE: usize = 256;
/// The maximum size of their bodies, in bytes.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// Queues rejected requests for storage.
#[derive(Clone)]
pub struct RejectedRequestWriter {
    queue: mpsc::Sender<NewlyRejected>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub struct NewlyRejected {
    pub source: Arc<str>,
    pub tenant: String,
    pub provider: &'static str,
    pub reason: RefusalReason,
    /// Its head, as seen by the provider.
    pub head: RequestHead,
    pub body: Bytes,
    pub peer: Option<IpAddr>,
    pub received_at: OffsetDateTime,
    /// The retention.
    pub keep: Duration,
}

struct Writer {
    store: Store,
    vault: Vault,
    bounds: RejectedRequestLimits,
    waiting: Arc<AtomicUsize>,
}

impl RejectedRequestWriter {
    /// Starts the writing task on `tasks`. It ends when the last handle is dropped and its queue is
    /// empty.
    pub fn start(
        store: Store,
        vault: Vault,
        bounds: RejectedRequestLimits,
        tasks: &TaskTracker,
    ) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer { store, vault, bounds, waiting: Arc::clone(&waiting) };
        tasks.spawn(writer.run(requests));
        Self { queue, waiting }
    }

    /// Whether a request that is rejected for this reason may be kept: it has a signature, which is
    /// not valid, or it is a handshake. Another request without a signature is not kept.
    pub fn keeps(refusal: &Refusal) -> bool {
        matches!(
            refusal,
            Refusal::Mismatch
                | Refusal::NoSecret
                | Refusal::HandshakeClosed
                | Refusal::Stale { .. }
                | Refusal::Future { .. }
                | Refusal::Malformed(_)
                | Refusal::TimestampMalformed
        )
    }

    /// The largest body that is kept, in bytes.
    pub fn largest() -> usize {
        QUEUE_BYTES / 2
    }

    /// Queues a request. It never waits: if the queue is full, the request is dropped.
    pub fn keep(&self, request: NewlyRejected) {
        let (size, source) = (request.body.len(), Arc::clone(&request.source));
        let before = self.waiting.fetch_add(size, Ordering::Relaxed);
        let fits = size <= Self::largest() && before.saturating_add(size) <= QUEUE_BYTES;
        if !fits || self.queue.try_send(request).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            count(&source, "no_room");
        }
    }
}

impl Writer {
    async fn run(self, mut requests: mpsc::Receiver<NewlyRejected>) {
        while let Some(request) = requests.recv().await {
            let result =
                caught("rejected requests", self.write(&request)).await.unwrap_or("failed");
            self.waiting.fetch_sub(request.body.len(), Ordering::Relaxed);
            count(&request.source, result);
        }
    }

    async fn write(&self, request: &NewlyRejected) -> &'static str {
        let id = EventId::new(request.received_at).0;
        let whose = (&*request.tenant, &*request.source, id);
        let sealed = match sealed::seal(&self.vault, whose, &request.head, &request.body) {
            Ok(sealed) => sealed,
            Err(error) => {
                warn!(error = %error, "cannot seal a rejected request");
                return "failed";
            }
        };
        let new = NewRejectedRequest {
            id,
            tenant: &request.tenant,
            source: &request.source,
            provider: request.provider,
            reason: request.reason,
            peer: request.peer.map(|peer| peer.to_string()),
            size: request.body.len() as u64,
            sealed: &sealed,
            received_at: request.received_at,
            expires_at: request.received_at + request.keep,
        };
        match self.store.keep_rejected(&new, self.bounds).await {
            Ok(true) => "kept",
            Ok(false) => "full",
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot keep a rejected request");
                "failed"
            }
        }
    }
}

fn count(source: &Arc<str>, result: &'static str) {
    metrics::counter!("sealpost_rejected_requests_kept_total", "source" => source.to_string(), "result" => result)
        .increment(1);
}
