//! What an installation costs before it receives anything: start, memory, and the number of sources.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use sealpost::providers::data::{ProviderFile, example_secret};

use crate::Suite;
use crate::processor::resident;
use crate::results::Row;
use crate::servers;

const SOURCES: usize = 1_000;
/// How long the gateway is idle before its memory is read.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) async fn run(suite: &mut Suite) {
    let database = suite.databases.migrated().await;
    for round in 1..=suite.options.rounds {
        let server = servers::whole_gateway(&database);
        let ready = server.ready_after.as_secs_f64() * 1e3;
        tokio::time::sleep(IDLE).await;
        let row = Row::new("start", "idle", round).with("ready_ms", ready);
        suite.results.push(row.with("resident_mib", resident(server.pid())));
    }
    database.remove().await;
}

/// The configuration of many sources, of every provider that is data and needs no options, and their
/// secrets.
pub(crate) fn many_sources() -> (String, Vec<(String, String)>) {
    let master_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let mut secrets = vec![("SEALPOST_MASTER_KEY".to_owned(), master_key.to_owned())];
    let mut sections = Vec::new();
    for (name, file) in ProviderFile::all() {
        let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["providers", "new", name])
            .output()
            .expect("a source of a provider");
        let text = String::from_utf8(output.stdout).unwrap();
        if text.contains("[source.options]") {
            continue;
        }
        let variables = text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let secret = example_secret(&file.scheme, &format!("a-secret-of-{name}-0123456789"));
        secrets.extend(variables.map(|variable| (variable.to_owned(), secret.clone())));
        sections.push((name, text));
    }
    let mut config = String::new();
    for (number, (name, text)) in sections.iter().cycle().take(SOURCES - 1).enumerate() {
        for line in text.lines() {
            if line.starts_with("name ") {
                writeln!(config, "name = '{name}-{number}'").unwrap();
            } else {
                writeln!(config, "{line}").unwrap();
            }
        }
    }
    (config, secrets)
}
