//! A gateway's API, for commands that run from elsewhere.
//!
//! - [`Api`] sends requests with an API key, and reads the models that `admin` returns.
//! - [`ApiError`] is why one failed; each is an exit code.
//! - [`contexts`] are gateways with their keys, in a file that only its owner can read.

mod client;
pub(super) mod contexts;
mod error;
mod private_file;
mod query;

pub(super) use client::Api;
pub(super) use error::{ApiError, Problem, cause};
pub(super) use query::Query;
