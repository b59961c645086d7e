//! The runtime of the handlers: what they do to it, the listeners do not feel.

use tokio::runtime::{Handle, Runtime};

use super::BuildError;

/// The runtime that handlers have for themselves.
pub(super) struct HandlerRuntime {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl HandlerRuntime {
    pub(super) fn start() -> Result<Self, BuildError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("handler")
            .enable_all()
            .build()
            .map_err(BuildError::Runtime)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// The way to it.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for HandlerRuntime {
    /// A runtime may not wait for its threads inside another: what still runs is left behind.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
