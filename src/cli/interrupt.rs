//! Work that somebody may interrupt.

use tokio::signal::unix::{SignalKind, signal};

/// Does the work, unless somebody interrupts it: then it is an error, and what comes after it, such
/// as tidying up, is still done.
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

/// Waits until somebody wants the program to end.
pub(super) async fn a_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
