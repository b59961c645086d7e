//! `sealpost pauses`.

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend};
use crate::admin::{Need, Pause};
use crate::clock::{Clock, SystemClock};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List paused sources and handlers; `--format json` prints one JSON object per line.
    ///
    /// For destinations, see `destinations list`.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    let Command::List(list) = command;
    backend::with(globals, Need::Names, None, async |backend| {
        Ok(output::list(list.format, &backend.pauses().await?, table)?)
    })
}

fn table(pauses: &[Pause]) -> String {
    let now = SystemClock.now();
    let rows: Vec<Vec<String>> = pauses
        .iter()
        .map(|pause| {
            vec![
                pause.target.to_string(),
                pause.name.clone(),
                output::age(now - pause.paused_at),
                pause.paused_by.clone(),
                pause.reason.clone(),
            ]
        })
        .collect();
    output::table(&["TYPE", "NAME", "FOR", "BY", "REASON"], &rows)
}
