//! The runtime of the handlers, separate from the listeners.

use tokio::runtime::{Handle, Runtime};

use super::BuildError;

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

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for HandlerRuntime {
    /// A runtime cannot be joined inside another one: running tasks are abandoned.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
