//! `sealpost alerts`: list alerts and test the alert channel.

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, UsageError, backend, block_on};
use crate::admin::{AlertRow, Need, Notification};
use crate::app;
use crate::clock::{Clock, SystemClock};

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

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => list.run(globals),
        Command::Test(test) => test.run(globals),
    }
}

impl List {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Names, None, async |backend| {
            let alerts = backend.alerts(self.all, self.limit).await?;
            Ok(output::list(self.format, &alerts, table)?)
        })
    }
}

impl Test {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let config = globals.load()?;
        let channel = app::channel(&config)?;
        let channel =
            channel.ok_or(UsageError("no alert channel is configured: set [alerts] discord"))?;
        block_on(async { Ok(channel.test(&self.text).await?) })?;
        super::print_message("test message sent");
        Ok(Exit::Ok)
    }
}

fn table(alerts: &[AlertRow]) -> String {
    let now = SystemClock.now();
    let head =
        ["ID", "SEVERITY", "SOURCE", "TYPE", "COUNT", "LAST", "AGE", "STATE", "NOTIFIED", "TEXT"];
    let rows: Vec<Vec<String>> = alerts
        .iter()
        .map(|alert| {
            vec![
                alert.id.to_string(),
                alert.severity.to_string(),
                alert.source.clone(),
                alert.alert_type.clone(),
                alert.count.to_string(),
                output::time(alert.last_at),
                output::age(now - alert.last_at),
                alert.state.to_string(),
                notified(alert.notification).to_owned(),
                alert.text.iter().flat_map(|text| text.chars()).take(120).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

/// Whether the alert was sent to the channel.
fn notified(notification: Notification) -> &'static str {
    match notification {
        Notification::Pending => "pending",
        Notification::Sent => "sent",
        Notification::NotSent => "not sent",
    }
}
