//! One binary for every integration test, so that they link once and share one `PostgreSQL`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and looks at everything from outside"
)]
#![allow(dead_code, reason = "the harness offers more than any one test takes")]

mod apify;
mod architecture;
mod bot;
mod chunks;
mod cli;
mod config;
mod dispatch;
mod docora;
mod faults;
mod harness;
mod managed_postgres;
mod operator;
mod receive;
mod stripe;
