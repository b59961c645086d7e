//! Stopping in two steps: first finish what is held, then drop it. And until then, watching over
//! what runs in the background.

mod supervise;

use std::time::Duration;

pub use supervise::{Supervisor, caught};
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

/// Says what is not done about signals that other programs take as a wish to read their
/// configuration or open their log anew, and that would end this process: SIGHUP, as terminals
/// that are closed send it too, SIGUSR1 and SIGUSR2. Call it before anything is held; it waits for
/// as long as it is polled.
///
/// # Errors
/// When signals cannot be listened to.
pub fn outlive_hangups() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut first = signal(SignalKind::user_defined1())?;
    let mut second = signal(SignalKind::user_defined2())?;
    Ok(async move {
        loop {
            let name = tokio::select! {
                Some(()) = hangup.recv() => "SIGHUP",
                Some(()) = first.recv() => "SIGUSR1",
                Some(()) = second.recv() => "SIGUSR2",
                else => return,
            };
            warn!(
                signal = name,
                "reload is not supported yet: restart to read the configuration again"
            );
        }
    })
}
