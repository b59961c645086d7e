//! `sealpost vault`: generate and rotate master keys.

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
    /// Generate a master key.
    ///
    /// Prints 32 random bytes in base64, for `SEALPOST_MASTER_KEY`. Store it separately from the
    /// backups of the database.
    Key,
    /// Seal every credential and rejected request with the newest master key.
    ///
    /// Put the new key into `SEALPOST_MASTER_KEY` and the previous one into
    /// `SEALPOST_MASTER_KEY_OLD`, restart the gateways, then rotate. A dry run unless --yes is
    /// given.
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Apply the change. Without it, only a preview is printed.
    #[arg(long)]
    yes: bool,
    /// Output format.
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
        // Without a master key, fail before opening the database.
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
            super::print_message(&format!(
                "nothing to do: everything is sealed with master key {newest}"
            ));
            return Ok(Exit::NothingMatched);
        }
        if !self.yes {
            self.preview(&seals)?;
            return Ok(Exit::Ok);
        }
        let mut done = Rotated::default();
        let ended = keys.rotate(caller, &self.reason, &mut done).await;
        // Print partial results if it failed.
        self.print(newest, &done)?;
        ended?;
        Ok(if done.refused.is_empty() { Exit::Ok } else { Exit::Failed })
    }

    /// Prints a preview.
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
        super::print_message("nothing changed; pass --yes to apply");
        Ok(())
    }

    fn print(&self, newest: &KeyId, done: &Rotated) -> std::io::Result<()> {
        match self.format {
            Format::Text => {
                let mut text = format!("sealed {} with master key {newest}\n", done.sealed);
                for (label, why) in &done.refused {
                    let refused = format!("skipped {}: {why}\n", output::line(&label.to_string()));
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
