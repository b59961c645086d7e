//! The job queues that the gateway's dispatch is compared with: each fills its tables, and drains
//! them by a job that does nothing.

use std::process::Command;

use serde::Deserialize;

use crate::Suite;
use crate::results::Row;
use crate::servers::{installed, node_script};

const QUEUES: [&str; 3] = ["pg-boss", "graphile-worker", "graphile-worker-rs"];

/// What a queue prints.
#[derive(Deserialize)]
struct Drained {
    seconds: f64,
    jobs: f64,
}

pub(crate) async fn run(suite: &mut Suite) {
    for round in 1..=suite.options.rounds {
        for name in QUEUES {
            let database = suite.databases.fresh().await;
            let command = if name == "graphile-worker-rs" {
                installed("bench-graphile-worker-rs").map(Command::new)
            } else {
                node_script(name, &database)
            };
            let Some(mut command) = command else {
                println!("{name} is not installed: benches/peers/install");
                continue;
            };
            command.env("DATABASE_URL", &database.url).arg(suite.options.backlog.to_string());
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
            let Some(Drained { seconds, jobs }) = last else {
                panic!("{name} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
            };
            let row = Row::new(name, "backlog", round).with("count", jobs);
            suite.results.push(row.with("seconds", seconds).with("rate", jobs / seconds));
            database.remove().await;
        }
    }
}
