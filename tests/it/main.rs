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
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::default_trait_access,
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::large_futures,
    clippy::redundant_closure_for_method_calls,
    clippy::similar_names,
    clippy::unchecked_time_subtraction,
    clippy::unnecessary_debug_formatting,
    reason = "what these ask for makes a test longer and not clearer"
)]
#![allow(dead_code, reason = "the harness offers more than any one test takes")]

mod accept;
mod access;
mod adding_a_provider;
mod alarms;
mod alerts;
mod api;
mod apify;
mod architecture;
mod batches;
mod bot;
mod capture;
mod chunks;
mod circles;
mod cli;
mod config;
mod connections;
mod console;
mod data_sources;
mod dead_letter_actions;
mod dead_letters;
mod destinations;
mod dispatch;
mod docora;
mod docora_registry;
mod edits_and_pauses;
mod environment;
mod erasure;
mod events_by_get;
mod explain;
mod external;
mod fairness;
mod faults;
mod fixtures;
mod handshake_secrets;
mod handshakes;
mod harness;
mod isolation;
mod managed_postgres;
mod migrating;
mod monitoring;
mod outbound;
mod plain_words;
mod provider_catalogue;
mod provider_pages;
mod receive;
mod references;
mod rejected_requests;
mod resend;
mod retention;
mod sender_client;
mod stream;
mod stripe;
mod upgrade;
mod vault;
