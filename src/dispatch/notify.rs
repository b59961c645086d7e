//! Notifications are hints only. A missed one delays work until the next poll, so losing the
//! listening connection loses nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{CLAIM_TIMEOUT, in_time};
use crate::store::Store;

/// The minimum interval between notifications to other gateways.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(50);
/// The delay before listening again after an error.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// Notifies dispatchers of work: this gateway's directly, others through the database.
#[derive(Debug, Clone, Default)]
pub struct Wakeup {
    local: Arc<Notify>,
    remote: Arc<Notify>,
    /// For the change stream.
    watchers: Arc<Notify>,
}

impl Wakeup {
    /// New work was committed.
    pub fn notify_all(&self) {
        self.notify_local();
        self.remote.notify_one();
    }

    /// There may be new work for this gateway.
    pub(super) fn notify_local(&self) {
        self.local.notify_one();
        self.watchers.notify_one();
    }

    /// Notified of every hint and of every attempt that ended here.
    pub fn watchers(&self) -> Arc<Notify> {
        Arc::clone(&self.watchers)
    }

    pub async fn wait(&self, poll: Duration) {
        // A hint from before the wait counts too.
        drop(tokio::time::timeout(poll, self.local.notified()).await);
    }

    /// Forwards this gateway's hints to other gateways, many as one.
    pub async fn announce(&self, store: &Store, stop: &CancellationToken) {
        while stop.run_until_cancelled(self.remote.notified()).await.is_some() {
            if let Err(error) = in_time(CLAIM_TIMEOUT, store.announce()).await {
                debug!(error = %error, "cannot notify other gateways of new work");
            }
            if stop.run_until_cancelled(tokio::time::sleep(ANNOUNCE_INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    pub async fn listen(&self, store: &Store, stop: &CancellationToken) {
        let listening = async {
            loop {
                match store.listen().await {
                    Ok(mut listener) => {
                        // Finds work announced before the connection.
                        self.notify_local();
                        while listener.recv().await.is_ok() {
                            self.notify_local();
                        }
                        warn!("lost the connection listening for new work; polling continues");
                    }
                    Err(error) => debug!(error = %error, "cannot listen for new work; polling \
                                                          continues"),
                }
                tokio::time::sleep(RECONNECT_DELAY).await;
            }
        };
        stop.run_until_cancelled(listening).await.unwrap_or(());
    }
}
