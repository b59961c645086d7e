//! Work that can be interrupted by a signal.

use tokio::signal::unix::{SignalKind, signal};

/// Runs the work until it ends or a signal arrives. A signal is an error, so that the caller can
/// still clean up.
pub(super) async fn interruptible<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        interrupted = a_signal() => {
            interrupted?;
            Err(anyhow::anyhow!("interrupted"))
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub(super) async fn a_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
