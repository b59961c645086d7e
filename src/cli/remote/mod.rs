//! The client of a gateway's admin API, for commands with --url or --context.
//!
//! - [`ApiClient`] sends requests with an API key, and reads the models that `admin` returns.
//! - [`ApiError`] is why one failed; each is an exit code.
//! - [`contexts`] are gateways with their keys, in a file that only its owner can read.

mod client;
pub(super) mod contexts;
mod error;
mod private_file;
mod query;

pub(super) use client::ApiClient;
pub(super) use error::{ApiError, Problem, cause};
pub(super) use private_file::read_key;
pub(super) use query::Query;
