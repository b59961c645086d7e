//! Measures how fast webhooks are received and delivered, beside what the machine and the database
//! can do at most, and beside other programs.
//!
//! Everything runs on loopback and shares the cores of the machine: the load generator (this
//! process, one thread, 64 connections, requests signed beforehand), the server under test, and
//! PostgreSQL with `fsync` on. Compare the ratios of one run, not the rates of two.
//!
//! - `cargo bench --bench load [-- SECONDS]`: a comparison in a minute, of a handler that only reads,
//!   one that also verifies, the whole durable path, and what the database does at most.
//! - `cargo bench --bench load -- --all`: everything; `just bench` does it, and reports.
//!
//! `docs/performance.md` explains the method.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::string_slice,
    reason = "a benchmark fails by panicking and measures with the real clock"
)]

mod baselines;
mod chunks;
mod database;
mod destination;
mod dispatch;
mod generator;
mod http;
mod ingest;
mod operation;
mod options;
mod processor;
mod queues;
mod requests;
mod results;
mod rows;
mod running;
mod servers;

use database::Databases;
use options::{Options, Part};
use results::Results;

/// What every scenario needs.
struct Suite {
    options: Options,
    databases: Databases,
    results: Results,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [role, kind, port] = &args[..]
        && role == baselines::ROLE
    {
        return baselines::serve(kind, port.parse().expect("a port"));
    }
    let options = Options::parse(&args);
    let databases = Databases::start();
    let results = Results::start(&options, &databases);
    let mut suite = Suite { options, databases, results };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let has = |part| suite.options.parts.contains(&part);
        let (ingest, operation, dispatch) =
            (has(Part::Ingest), has(Part::Operation), has(Part::Dispatch));
        if ingest {
            ingest::run(&mut suite).await;
        }
        if operation {
            operation::run(&mut suite).await;
            chunks::run(&mut suite).await;
        }
        if dispatch {
            dispatch::run(&mut suite).await;
            destination::run(&mut suite).await;
            queues::run(&mut suite).await;
        }
    });
    suite.results.summary();
}
