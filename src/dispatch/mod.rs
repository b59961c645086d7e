//! Dispatch: hands stored events to handlers until they are done or dead.

mod handler;

pub use handler::{Attempt, BoxError, Failure, Handler, Kinds};
