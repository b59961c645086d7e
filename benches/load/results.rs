//! The rows of a run: printed, and kept as lines of JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use serde::Serialize;
use serde_json::json;

use crate::database::Databases;
use crate::generator::Sample;
use crate::options::Options;

/// One measurement.
#[derive(Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) load: &'static str,
    pub(crate) round: usize,
    #[serde(flatten)]
    pub(crate) values: BTreeMap<&'static str, f64>,
}

impl Row {
    pub(crate) fn new(scenario: &str, load: &'static str, round: usize) -> Self {
        Self { scenario: scenario.to_owned(), load, round, values: BTreeMap::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.values.insert(name, (value * 1e4).round() / 1e4);
        self
    }

    /// The rate, times and processor time of a sample whose things are groups of this size.
    #[must_use]
    pub(crate) fn sample(self, sample: &Sample, size: usize) -> Self {
        let count = (sample.times.len() * size) as f64;
        let milliseconds = |share: f64| {
            let last = sample.times.len().saturating_sub(1) as f64;
            sample.times.get((last * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / count;
        self.with("rate", count / sample.took.as_secs_f64())
            .with("p50", milliseconds(0.5))
            .with("p90", milliseconds(0.9))
            .with("p99", milliseconds(0.99))
            .with("p999", milliseconds(0.999))
            .with("max", milliseconds(1.0))
            .with("own_us", each(sample.processor.own))
            .with("server_us", each(sample.processor.server))
            .with("postgres_us", each(sample.processor.postgres))
    }
}

pub(crate) struct Results {
    file: Option<File>,
    rows: Vec<Row>,
}

impl Results {
    pub(crate) fn start(options: &Options, databases: &Databases) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let machine = json!({
            "at": time::OffsetDateTime::now_utc().date().to_string(),
            "commit": output(Command::new("git").args(["rev-parse", "--short", "HEAD"])),
            "cores": cores,
            "processor": cpu_model(),
            "kernel": output(Command::new("uname").arg("-r")),
            "postgres": databases.major(),
            "seconds": options.seconds,
            "rounds": options.rounds,
            "backlog": options.backlog,
            "open_transaction": options.open_transaction,
            "first": options.first,
        });
        println!("{machine}");
        let file = options.file.as_ref().map(|path| {
            let mut file = File::options().create(true).append(true).open(path).unwrap();
            writeln!(file, "{machine}").unwrap();
            file
        });
        Self { file, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Row) {
        let values: Vec<String> =
            row.values.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
        println!("{:<28} {:<8} {:>2}  {}", row.scenario, row.load, row.round, values.join("  "));
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", serde_json::to_string(&row).unwrap()).unwrap();
        }
        self.rows.push(row);
    }

    /// The median of a value over all rounds.
    pub(crate) fn median(&self, scenario: &str, load: &str, value: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.scenario == scenario && row.load == load);
        let mut values: Vec<f64> = rows.filter_map(|row| row.values.get(value).copied()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// The ratios that a comparison before and after a change is about.
    pub(crate) fn summary(&self) {
        let rate = |scenario| self.median(scenario, "closed", "rate");
        for (over, under) in [
            ("verified", "read"),
            ("durable", "read"),
            ("durable", "ceiling"),
            ("durable", "single rows"),
        ] {
            if let (Some(over_rate), Some(under_rate)) = (rate(over), rate(under)) {
                println!("{over:<9} / {under:<12} {:.2}", over_rate / under_rate);
            }
        }
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model).to_owned()
}
