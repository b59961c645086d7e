//! `sealpost pauses`.

use std::path::Path;

use super::output::{self, Format};
use super::{Exit, database};
use crate::admin::{Caller, Need, Pauses};
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

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let Command::List(list) = command;
    database::with_admin(config, Need::Names, None, async |admin, caller| {
        list.run(&admin.pauses, caller).await
    })
}

impl List {
    async fn run(&self, pauses: &Pauses, caller: &Caller) -> anyhow::Result<Exit> {
        let found = pauses.list(caller).await?;
        if found.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        let now = SystemClock.now();
        let text = match self.format {
            Format::Text => {
                let rows: Vec<Vec<String>> = found
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
            Format::Json => found.iter().map(output::json).collect(),
        };
        output::print(&text)?;
        Ok(Exit::Ok)
    }
}
