//! `sealpost vault`: the master keys, and what they seal.

use std::sync::Arc;

use serde_json::json;

use super::output::{self, Format};
use super::{Exit, caller, database};
use crate::admin::{Caller, MasterKeys, Rotated, Seals};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::vault::{KeyId, MasterKey};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a master key.
    ///
    /// Prints 32 random bytes in base64, for `SEALPOST_MASTER_KEY`. Keep it where the database's
    /// backups are not.
    Key,
    /// Seal every credential and held request with the newest master key.
    ///
    /// Put the new key into `SEALPOST_MASTER_KEY` and the one before into
    /// `SEALPOST_MASTER_KEY_OLD`, restart the gateways, then rotate. A dry run unless --yes is
    /// given.
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Do it.
    #[arg(long)]
    yes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// `sealpost vault key`, which needs no configuration.
pub(super) fn key() -> anyhow::Result<Exit> {
    output::print(&MasterKey::generate())?;
    output::print("\n")?;
    Ok(Exit::Ok)
}

impl Rotate {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        // Without one the database is not asked for anything.
        config.vault.newest()?;
        let caller = caller(self.actor.as_deref())?;
        database::with_store(config, async |store| {
            let clock = Arc::new(SystemClock);
            let keys = MasterKeys::new(store.clone(), clock, config.vault.clone());
            self.rotate(&keys, &caller).await
        })
    }

    async fn rotate(&self, keys: &MasterKeys, caller: &Caller) -> anyhow::Result<Exit> {
        let seals = keys.seals(caller).await?;
        let newest = &seals.newest;
        if seals.others() == 0 {
            super::talk(&format!("nothing to do: master key {newest} seals everything"));
            return Ok(Exit::NothingMatched);
        }
        if !self.yes {
            self.preview(&seals)?;
            return Ok(Exit::Ok);
        }
        let mut done = Rotated::default();
        let ended = keys.rotate(caller, &self.reason, &mut done).await;
        // Also when it broke off: what is done is done.
        self.print(newest, &done)?;
        ended?;
        Ok(if done.refused.is_empty() { Exit::Ok } else { Exit::Failed })
    }

    /// Says what would be done.
    fn preview(&self, seals: &Seals) -> anyhow::Result<()> {
        let Seals { newest, by_key } = seals;
        let others = seals.others();
        match self.format {
            Format::Text => {
                let rows: Vec<Vec<String>> = by_key
                    .iter()
                    .map(|(key, count)| vec![key.to_string(), count.to_string()])
                    .collect();
                let table = output::table(&["KEY", "SEALS"], &rows);
                output::print(&format!("would seal {others} with master key {newest}\n{table}"))?;
            }
            Format::Json => {
                let keys: serde_json::Map<String, serde_json::Value> =
                    by_key.iter().map(|(key, count)| (key.to_string(), json!(count))).collect();
                output::print(&output::json(&json!({
                    "dry_run": true, "newest": newest.as_str(), "matched": others, "keys": keys,
                })))?;
            }
        }
        super::talk("nothing was done: --yes does it");
        Ok(())
    }

    fn print(&self, newest: &KeyId, done: &Rotated) -> std::io::Result<()> {
        match self.format {
            Format::Text => {
                let mut text = format!("sealed {} with master key {newest}\n", done.sealed);
                for (label, why) in &done.refused {
                    let refused = format!("refused {}: {why}\n", output::line(&label.to_string()));
                    text.push_str(&refused);
                }
                output::print(&text)
            }
            Format::Json => {
                let refused: Vec<_> = done
                    .refused
                    .iter()
                    .map(|(label, why)| {
                        json!({ "tenant": label.tenant, "source": label.source,
                                "name": label.name, "why": why.to_string() })
                    })
                    .collect();
                output::print(&output::json(&json!({
                    "dry_run": false, "newest": newest.as_str(), "sealed": done.sealed,
                    "refused": refused,
                })))
            }
        }
    }
}
