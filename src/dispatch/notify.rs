//! Wake-ups are hints. The table is the truth: whoever misses a hint finds the work at the next
//! poll. Losing the listening connection therefore loses nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{CLAIM_WITHIN, in_time};
use crate::store::Store;

/// The shortest time between two announcements to other gateways.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(50);
/// The wait before listening anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Tells dispatchers that there is work: this gateway's at once, others by way of the database.
#[derive(Debug, Clone, Default)]
pub struct Wakeup {
    local: Arc<Notify>,
    remote: Arc<Notify>,
    /// For who watches what happens.
    watchers: Arc<Notify>,
}

impl Wakeup {
    /// There is new work: it was committed.
    pub fn ring(&self) {
        self.ring_here();
        self.remote.notify_one();
    }

    /// There may be new work for this gateway only.
    pub(super) fn ring_here(&self) {
        self.local.notify_one();
        self.watchers.notify_one();
    }

    /// Is notified of every hint, and of every attempt that ended here; for one who waits.
    pub fn watchers(&self) -> Arc<Notify> {
        Arc::clone(&self.watchers)
    }

    /// Waits for a hint, for at most `poll`.
    pub async fn wait(&self, poll: Duration) {
        // Whichever comes first; a hint that came before the wait began counts too.
        drop(tokio::time::timeout(poll, self.local.notified()).await);
    }

    /// Passes this gateway's hints on, many as one.
    pub async fn announce(&self, store: &Store, stop: &CancellationToken) {
        while stop.run_until_cancelled(self.remote.notified()).await.is_some() {
            if let Err(error) = in_time(CLAIM_WITHIN, store.announce()).await {
                debug!(error = %error, "cannot notify other gateways of new work");
            }
            if stop.run_until_cancelled(tokio::time::sleep(ANNOUNCE_EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// Takes other gateways' hints.
    pub async fn listen(&self, store: &Store, stop: &CancellationToken) {
        let listening = async {
            loop {
                match store.listen().await {
                    Ok(mut listener) => {
                        // What was announced before is found by looking once now.
                        self.ring_here();
                        while listener.recv().await.is_ok() {
                            self.ring_here();
                        }
                        warn!("lost the connection listening for new work; polling continues");
                    }
                    Err(error) => debug!(error = %error, "cannot listen for new work; polling \
                                                          continues"),
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        };
        stop.run_until_cancelled(listening).await.unwrap_or(());
    }
}
