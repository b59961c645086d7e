//! `sealpost alerts`: list alerts and test the alert channel.

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, UsageError, block_on, caller, database};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::AlertRow;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List alerts, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Send a test message to the alert channel.
    Test(Test),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Include closed alerts that were already sent.
    #[arg(long)]
    all: bool,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Message text.
    #[arg(long, value_name = "TEXT", default_value = "Sealpost test alert: this channel works.")]
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
        let channel =
            channel.ok_or(UsageError("no alert channel is configured: set [alerts] discord"))?;
        block_on(async { Ok(channel.test(&self.text).await?) })?;
        super::talk("test message sent");
        Ok(Exit::Ok)
    }
}

fn table(alerts: &[AlertRow]) -> String {
    let now = SystemClock.now();
    let head =
        ["ID", "SEVERITY", "SOURCE", "KIND", "COUNT", "LAST", "AGE", "STATE", "NOTIFIED", "TEXT"];
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
                notified(alert).to_owned(),
                alert.text.chars().take(120).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

/// Whether the alert was sent to the channel.
fn notified(alert: &AlertRow) -> &'static str {
    match alert.told() {
        "told" => "sent",
        "not told" => "not sent",
        pending => pending,
    }
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
