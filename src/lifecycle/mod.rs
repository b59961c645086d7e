//! Shutdown in two steps: finish in-flight work, then drop the rest. Also supervises background
//! tasks.

mod supervise;

use std::time::Duration;

pub use supervise::{Supervisor, caught};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Time to finish in-flight work before it is dropped.
pub const DRAIN: Duration = Duration::from_secs(20);

/// The two steps.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Start nothing new, finish in-flight work.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Drop in-flight work.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Waits for signals: the first is the soft step, the second, or [`DRAIN`] later, the hard
    /// one. Returns when the hard step is taken.
    ///
    /// # Errors
    /// When signal handlers cannot be installed.
    pub async fn watch_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM received, finishing in-flight work"),
            _ = interrupt.recv() => info!("SIGINT received, finishing in-flight work"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        tokio::select! {
            _ = terminate.recv() => warn!("second signal received, dropping in-flight work"),
            _ = interrupt.recv() => warn!("second signal received, dropping in-flight work"),
            () = tokio::time::sleep(DRAIN) => warn!("shutdown timed out, dropping in-flight work"),
            () = self.hard.cancelled() => {}
        }
        self.hard.cancel();
        Ok(())
    }
}

/// Logs and ignores SIGHUP, SIGUSR1 and SIGUSR2, which would end this process. Other programs
/// reload their configuration or reopen their log on these signals. Call it early; the future runs
/// as long as it is polled.
///
/// # Errors
/// When signal handlers cannot be installed.
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
