//! Stopping in two steps: first finish what is held, then drop it.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long finishing may take before what is left is dropped.
pub const DRAIN: Duration = Duration::from_secs(20);

/// The two steps.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Begin nothing new, finish what is held.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Drop what is left.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Waits for signals: the first is the soft step, the second, or [`DRAIN`] later, the hard
    /// one. Returns when the hard step is taken.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub async fn watch_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: finishing what is held"),
            _ = interrupt.recv() => info!("SIGINT: finishing what is held"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        tokio::select! {
            _ = terminate.recv() => warn!("second signal: dropping what is left"),
            _ = interrupt.recv() => warn!("second signal: dropping what is left"),
            () = tokio::time::sleep(DRAIN) => warn!("finishing takes too long: dropping what is left"),
            () = self.hard.cancelled() => {}
        }
        self.hard.cancel();
        Ok(())
    }
}
