//! Events that reach applications.

pub(crate) mod receiver;
