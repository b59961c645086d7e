//! `sealpost alerts`: what people were told or are to be told, and whether they can be.

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, UsageError, block_on, caller, database};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::AlertRow;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List alerts, newest first; with `--format json` one JSON object a line.
    List(List),
    /// Send a message to the channel, and say what became of it.
    Test(Test),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// What is over and told too.
    #[arg(long)]
    all: bool,
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// The message.
    #[arg(long, value_name = "TEXT", default_value = "Sealpost can tell you things here.")]
    text: String,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => list.run(config),
        Command::Test(test) => test.run(config),
    }
}

impl List {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let caller = caller(None)?;
        let alerts = database::with_store(config, async |store| {
            Ok(app::alerts(config, store).list(&caller, self.all, None, self.limit).await?)
        })?;
        if alerts.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&alerts))?,
            Format::Json => {
                let lines: String =
                    alerts.iter().map(|alert| output::json(&document(alert))).collect();
                output::print(&lines)?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Test {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let channel = app::channel(config)?;
        let channel = channel.ok_or(UsageError("there is no [alerts] discord to send to"))?;
        block_on(async { Ok(channel.test(&self.text).await?) })?;
        super::talk("the channel took it");
        Ok(Exit::Ok)
    }
}

fn table(alerts: &[AlertRow]) -> String {
    let now = SystemClock.now();
    let head =
        ["ID", "SEVERITY", "SOURCE", "KIND", "COUNT", "LAST", "AGE", "STATE", "TOLD", "TEXT"];
    let rows: Vec<Vec<String>> = alerts
        .iter()
        .map(|alert| {
            vec![
                alert.id.to_string(),
                alert.severity.to_string(),
                alert.source.clone(),
                alert.kind.clone(),
                alert.count.to_string(),
                output::time(alert.last_at),
                output::age(now - alert.last_at),
                alert.state().to_owned(),
                alert.told().to_owned(),
                alert.text.chars().take(120).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn document(alert: &AlertRow) -> Value {
    json!({
        "id": alert.id,
        "severity": alert.severity.as_str(),
        "source": alert.source,
        "kind": alert.kind,
        "key": alert.key,
        "count": alert.count,
        "first_at": output::rfc3339(alert.first_at),
        "last_at": output::rfc3339(alert.last_at),
        "state": alert.state(),
        "over_at": alert.over_at.map(output::rfc3339),
        "told": alert.told(),
        "sent_at": alert.sent_at.map(output::rfc3339),
        "text": alert.text,
    })
}
