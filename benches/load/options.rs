//! The options of the command line.

use std::path::PathBuf;

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From the request to its response.
    Ingest,
    /// Only the gateway, for a profiler.
    Durable,
    /// Full load on a new database.
    First,
    /// Start, memory, number of sources, chunks.
    Operation,
    /// From the stored event to its handler.
    Dispatch,
    /// From the stored event to an application.
    Destination,
    /// The job queues.
    Queues,
}

pub(crate) struct Options {
    /// The duration of one measurement.
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    pub(crate) parts: Vec<Part>,
    /// Everything, and not only the quick comparison.
    pub(crate) all: bool,
    /// Deliveries that are drained.
    pub(crate) backlog: usize,
    /// How long a transaction is left open.
    pub(crate) open_transaction: f64,
    /// How long a new database is under full load.
    pub(crate) first: f64,
    /// Where the rows go; nowhere if none.
    pub(crate) file: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Self {
        let all = args.iter().any(|arg| arg == "--all");
        let mut options = Self {
            seconds: if all { 4.0 } else { 5.0 },
            rounds: if all { 5 } else { 1 },
            parts: vec![Part::Ingest],
            all,
            backlog: 50_000,
            open_transaction: 30.0,
            first: 60.0,
            file: None,
        };
        if all {
            options.parts = vec![
                Part::Ingest,
                Part::First,
                Part::Operation,
                Part::Dispatch,
                Part::Destination,
                Part::Queues,
            ];
            let today = time::OffsetDateTime::now_utc().date();
            options.file = Some(results_folder().join(format!("{today}.jsonl")));
        }
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
            match arg {
                // Given by cargo.
                "--bench" | "--all" => {}
                "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
                "--backlog" => options.backlog = value().parse().expect("a number of deliveries"),
                "--open-transaction" => {
                    options.open_transaction = value().parse().expect("a number of seconds");
                }
                "--first" => options.first = value().parse().expect("a number of seconds"),
                "--to" => options.file = Some(value().into()),
                "--only" => {
                    options.parts = vec![match value() {
                        "ingest" => Part::Ingest,
                        "durable" => Part::Durable,
                        "first" => Part::First,
                        "operation" => Part::Operation,
                        "dispatch" => Part::Dispatch,
                        "destination" => Part::Destination,
                        "queues" => Part::Queues,
                        other => panic!("no part {other:?}: see benches/load/options.rs"),
                    }];
                }
                seconds => {
                    options.seconds =
                        seconds.parse().unwrap_or_else(|_| panic!("no option {seconds:?}"));
                }
            }
        }
        options
    }
}

fn results_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/results")
}
