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

use std::process::ExitCode;

use database::Databases;
use options::{Options, Part};
use results::Results;

/// What every scenario needs.
struct Suite {
    options: Options,
    databases: Databases,
    results: Results,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [role, kind, port] if role == baselines::ROLE => {
            baselines::serve(kind, port.parse().expect("a port"));
            return ExitCode::SUCCESS;
        }
        // The gateway, in a program whose symbols a profiler can read: `servers::PROGRAM`.
        [command, ..] if command == "serve" => return sealpost::cli::run(),
        _ => {}
    }
    let options = Options::parse(&args);
    let databases = Databases::start();
    let results = Results::start(&options, &databases);
    let mut suite = Suite { options, databases, results };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for part in suite.options.parts.clone() {
            match part {
                Part::Ingest => ingest::run(&mut suite).await,
                Part::Durable => {
                    ingest::durable(&mut suite, 1).await;
                }
                Part::First => ingest::first_minutes(&mut suite).await,
                Part::Operation => {
                    operation::run(&mut suite).await;
                    chunks::run(&mut suite).await;
                }
                Part::Dispatch => dispatch::run(&mut suite).await,
                Part::Destination => destination::run(&mut suite).await,
                Part::Queues => queues::run(&mut suite).await,
            }
        }
    });
    suite.results.summary();
    ExitCode::SUCCESS
}
