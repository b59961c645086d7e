//! `sealpost vault`: the master keys, and what they seal.

use serde_json::json;

use super::output::{self, Format};
use super::{Exit, actor, block_on, database};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{AuditEntry, Store};
use crate::vault::{KeyId, Label, MasterKey, Vault, VaultError};

/// How many credentials are sealed anew in one transaction.
const STEP: i64 = 100;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a master key.
    ///
    /// Prints 32 random bytes in base64, for `SEALPOST_MASTER_KEY`. Keep it where the database's
    /// backups are not.
    Key,
    /// Seal every credential with the newest master key.
    ///
    /// Put the new key into `SEALPOST_MASTER_KEY` and the one before into
    /// `SEALPOST_MASTER_KEY_OLD`, restart the gateways, then rotate. A dry run unless --yes is
    /// given.
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
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

/// What a rotation came to.
#[derive(Default)]
struct Done {
    sealed: u64,
    refused: Vec<(Label, VaultError)>,
}

/// `sealpost vault key`, which needs no configuration.
pub(super) fn key() -> anyhow::Result<Exit> {
    output::print(&MasterKey::generate())?;
    output::print("\n")?;
    Ok(Exit::Ok)
}

impl Rotate {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let vault = &config.vault;
        let newest = vault.newest()?;
        let actor = actor(self.actor.as_deref())?;
        let database = database::share(config)?;
        block_on(async {
            database.target.check_migrated().await?;
            let store = app::open_store(config, database.target.clone());
            let exit = self.rotate(&store, vault, newest, &actor).await;
            store.close().await;
            exit
        })
    }

    async fn rotate(
        &self,
        store: &Store,
        vault: &Vault,
        newest: &KeyId,
        actor: &str,
    ) -> anyhow::Result<Exit> {
        let by_key = store.credentials_by_key().await?;
        let others: u64 =
            by_key.iter().filter(|(key, _)| key != newest).map(|(_, count)| count).sum();
        if others == 0 {
            super::talk(&format!("nothing to do: master key {newest} seals everything"));
            return Ok(Exit::NothingMatched);
        }
        if !self.yes {
            self.rehearse(newest, &by_key, others)?;
            return Ok(Exit::Ok);
        }
        let mut done = Done::default();
        let mut after = None;
        let ended = loop {
            match step(store, vault, newest, actor, after.as_ref(), &mut done).await {
                Ok(None) => break Ok(()),
                Ok(last) => after = last,
                Err(error) => break Err(error),
            }
        };
        // Also when it broke off: what is done is done.
        self.print(newest, &done)?;
        ended?;
        Ok(if done.refused.is_empty() { Exit::Ok } else { Exit::Failed })
    }

    /// Says what would be done.
    fn rehearse(&self, newest: &KeyId, by_key: &[(KeyId, u64)], others: u64) -> anyhow::Result<()> {
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

    fn print(&self, newest: &KeyId, done: &Done) -> std::io::Result<()> {
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

/// Seals the next credentials; gives the last of them, `None` at the end.
async fn step(
    store: &Store,
    vault: &Vault,
    newest: &KeyId,
    actor: &str,
    after: Option<&Label>,
    done: &mut Done,
) -> anyhow::Result<Option<Label>> {
    let now = SystemClock.now();
    let mut tx = store.begin().await?;
    let credentials = tx.credentials_not_under(newest, after, STEP).await?;
    let last = credentials.last().map(|credential| credential.label.clone());
    let mut sealed = 0;
    for credential in credentials {
        let label = credential.label;
        let anew =
            vault.open(&label, &credential.sealed).and_then(|secret| vault.seal(&label, &secret));
        match anew {
            Ok(anew) => {
                tx.put_credential(&label, &anew, now).await?;
                sealed += 1;
            }
            Err(why) => done.refused.push((label, why)),
        }
    }
    if sealed > 0 {
        let entry = AuditEntry {
            at: now,
            actor,
            action: "rotate",
            target: &format!("credentials, to master key {newest}"),
            reason: "the master key was changed",
            count: sealed,
        };
        tx.audit(&entry).await?;
    }
    tx.commit(()).await?;
    done.sealed += sealed;
    Ok(last)
}
