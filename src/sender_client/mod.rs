//! What the gateway asks of senders: the keys that they publish, and the confirmation of
//! subscriptions.

mod confirm;
mod published_keys;

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::warn;
use url::Url;

use crate::outbound::{Answer, Call, Outbound, OutboundError};
use crate::verify::{KeyCache, KeyRequest};
use published_keys::{Entry, PublishedKeys};

const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a response, in bytes. Key sets have a few keys.
const MAX_ANSWER: usize = 64 * 1024;
/// The interval between looks at what should be refreshed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How many keys are refreshed at the same time.
const REFRESHED_AT_ONCE: usize = 8;

/// The client. Cheap to clone; clones share their cache.
#[derive(Debug, Clone)]
pub struct SenderClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    outbound: Outbound,
    keys: PublishedKeys,
    /// A URL of the configuration was added.
    added: Notify,
    confirming: Semaphore,
    tasks: TaskTracker,
    /// The gateway's own runtime. Those of the listeners end before it does.
    runtime: OnceLock<Handle>,
}

/// The key cannot be fetched now, so nobody knows whether the request is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sender's key cannot be fetched")]
pub struct KeyUnavailable;

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("the response has status {0}")]
    Status(u16),
    #[error("the response is not UTF-8")]
    NotUtf8,
}

impl SenderClient {
    pub fn new(outbound: Outbound) -> Self {
        Self(Arc::new(Inner {
            outbound,
            keys: PublishedKeys::default(),
            added: Notify::new(),
            confirming: Semaphore::new(confirm::AT_ONCE),
            tasks: TaskTracker::new(),
            runtime: OnceLock::new(),
        }))
    }

    /// Fetches a key that a request to this source needs. Requests that need the same URL share one
    /// fetch. `Ok` does not mean that the key was found: if it was not, verification refuses the
    /// request.
    ///
    /// # Errors
    /// [`KeyUnavailable`] if the fetch fails, has just failed, or is beyond the limit of URLs that
    /// are not known yet. The sender should try again.
    pub async fn fetch_key(
        &self,
        source: &Arc<str>,
        request: &KeyRequest,
    ) -> Result<(), KeyUnavailable> {
        let Some(entry) = self.0.keys.entry(&request.url, source) else {
            count("limited");
            return Err(KeyUnavailable);
        };
        if let Some(result) = entry.settled(request.is_outdated) {
            return result;
        }
        let turn = entry.turn().await;
        // Another request may have fetched it in the meantime.
        if let Some(result) = entry.settled(request.is_outdated) {
            return result;
        }
        if !entry.is_known() && !self.0.keys.admit_unknown(source) {
            count("limited");
            return Err(KeyUnavailable);
        }
        self.fetch(entry, turn).await
    }

    /// Adds a URL of the configuration: [`SenderClient::keep_fresh`] fetches it at once, so that
    /// the first request does not wait.
    pub fn want(&self, url: Url) {
        self.0.keys.want(url);
        self.0.added.notify_one();
    }

    /// Sets the content of a URL, as if it had just been fetched.
    pub fn put(&self, url: Url, text: &str) {
        self.0.keys.put(url, Arc::from(text));
    }

    /// Refreshes the cached keys, forever.
    pub async fn keep_fresh(&self) {
        self.0.runtime.get_or_init(Handle::current);
        loop {
            self.0.keys.remove_unused();
            for entries in self.0.keys.due().chunks(REFRESHED_AT_ONCE) {
                join_all(entries.iter().map(|entry| self.refresh(entry))).await;
            }
            tokio::select! {
                () = self.0.added.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Waits until fetches and confirmations in flight have ended.
    pub async fn finish(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn refresh(&self, entry: &Arc<Entry>) -> Result<(), KeyUnavailable> {
        let turn = entry.turn().await;
        if !entry.is_due() {
            return Ok(());
        }
        self.fetch(Arc::clone(entry), turn).await
    }

    /// Fetches an entry. It goes on if the caller is dropped: otherwise a client that disconnects
    /// could cause one fetch after the other.
    async fn fetch(
        &self,
        entry: Arc<Entry>,
        turn: OwnedMutexGuard<()>,
    ) -> Result<(), KeyUnavailable> {
        let client = self.clone();
        let fetching = self.spawn(async move {
            let result = match client.download(&entry.url).await {
                Ok(text) => {
                    count("fetched");
                    entry.succeeded(text);
                    Ok(())
                }
                Err(error) => {
                    count("failed");
                    // Without the path: the request that named it may not be authentic.
                    let host = entry.url.host_str();
                    warn!(error = &error as &dyn Error, host, "cannot fetch the key of a sender");
                    entry.failed();
                    Err(KeyUnavailable)
                }
            };
            drop(turn);
            result
        });
        fetching.await.unwrap_or(Err(KeyUnavailable))
    }

    async fn download(&self, url: &Url) -> Result<Arc<str>, FetchError> {
        let answer = self.send(url).await?;
        if answer.status != 200 {
            return Err(FetchError::Status(answer.status));
        }
        std::str::from_utf8(&answer.body).map(Arc::from).map_err(|_| FetchError::NotUtf8)
    }

    async fn send(&self, url: &Url) -> Result<Answer, OutboundError> {
        let call = Call {
            method: "GET",
            url: url.clone(),
            headers: Vec::new(),
            body: Bytes::new(),
            deadline: TIMEOUT,
            max_answer: MAX_ANSWER,
        };
        self.0.outbound.send(call).await
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match self.0.runtime.get() {
            Some(runtime) => self.0.tasks.spawn_on(work, runtime),
            None => self.0.tasks.spawn(work),
        }
    }
}

impl KeyCache for SenderClient {
    fn get(&self, url: &Url) -> Option<Arc<str>> {
        self.0.keys.get(url)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("sealpost_key_fetches_total", "outcome" => outcome).increment(1);
}
