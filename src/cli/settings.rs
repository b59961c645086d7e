//! `sealpost settings`: print the effective configuration.

use serde_json::json;

use super::output::{self, Format};
use super::{Exit, monitoring};
use crate::admin::Setting;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    monitoring::with(config, async |monitoring, caller| {
        let settings = monitoring.settings(caller)?;
        output::print(&match args.format {
            Format::Text => {
                let row = |setting: &Setting| vec![setting.key.clone(), setting.value.clone()];
                output::table(&["KEY", "VALUE"], &settings.iter().map(row).collect::<Vec<_>>())
            }
            Format::Json => {
                let document = |setting: &Setting| {
                    output::json(&json!({ "key": setting.key, "value": setting.value }))
                };
                settings.iter().map(document).collect()
            }
        })?;
        Ok(Exit::Ok)
    })
}
