//! `sealpost settings`: print the effective configuration.

use std::path::Path;

use super::output::{self, Format};
use super::{Exit, database};
use crate::admin::{Need, Setting};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Path, args: &Args) -> anyhow::Result<Exit> {
    database::with_admin(config, Need::Sources, None, async |admin, caller| {
        let settings = admin.monitoring.settings(caller)?;
        output::print(&match args.format {
            Format::Text => {
                let row = |setting: &Setting| vec![setting.key.clone(), setting.value.clone()];
                output::table(&["KEY", "VALUE"], &settings.iter().map(row).collect::<Vec<_>>())
            }
            Format::Json => settings.iter().map(output::json).collect(),
        })?;
        Ok(Exit::Ok)
    })
}
