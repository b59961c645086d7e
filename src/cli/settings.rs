//! `sealpost settings`: print the effective configuration.

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend};
use crate::admin::{Need, Setting};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(globals: &GlobalArgs, args: &Args) -> anyhow::Result<Exit> {
    backend::with(globals, Need::Sources, None, async |backend| {
        let settings = backend.settings().await?;
        Ok(output::list(args.format, &settings, table)?)
    })
}

fn table(settings: &[Setting]) -> String {
    let row = |setting: &Setting| vec![setting.key.clone(), setting.value.clone()];
    output::table(&["KEY", "VALUE"], &settings.iter().map(row).collect::<Vec<_>>())
}
