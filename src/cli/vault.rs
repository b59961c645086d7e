//! `sealpost vault`: the master keys, and what they seal.

use serde_json::json;
use uuid::Uuid;

use super::output::{self, Format};
use super::{Exit, actor, database};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{AuditEntry, Credential, HeldSealed, Store, Tx};
use crate::vault::{KeyId, Label, MasterKey, Sealed, Vault, VaultError};

/// How many credentials are sealed anew in one transaction.
const STEP: i64 = 100;
/// How many held requests: each is as large as its body.
const HELD_STEP: i64 = 10;

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
        database::with_store(config, async |store| self.rotate(store, vault, newest, &actor).await)
    }

    async fn rotate(
        &self,
        store: &Store,
        vault: &Vault,
        newest: &KeyId,
        actor: &str,
    ) -> anyhow::Result<Exit> {
        let by_key = store.sealed_by_key().await?;
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
        let rotation = Rotation { store, vault, newest, actor };
        let ended = rotation.run(&mut done).await;
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

/// Seals anew whatever another key seals, a step at a time.
struct Rotation<'r> {
    store: &'r Store,
    vault: &'r Vault,
    newest: &'r KeyId,
    actor: &'r str,
}

impl Rotation<'_> {
    async fn run(&self, done: &mut Done) -> anyhow::Result<()> {
        let mut after = None;
        while let Some(last) = self.credentials(after.as_ref(), done).await? {
            after = Some(last);
        }
        let mut after = None;
        while let Some(last) = self.held(after, done).await? {
            after = Some(last);
        }
        Ok(())
    }

    /// Seals the next credentials; gives the last of them, `None` at the end.
    async fn credentials(
        &self,
        after: Option<&Label>,
        done: &mut Done,
    ) -> anyhow::Result<Option<Label>> {
        let now = SystemClock.now();
        let mut tx = self.store.begin().await?;
        let credentials = tx.credentials_not_under(self.newest, after, STEP).await?;
        let last = credentials.last().map(|credential| credential.label.clone());
        let mut sealed = 0;
        for Credential { label, sealed: old } in credentials {
            if let Some(anew) = self.anew(label.clone(), &old, done) {
                tx.put_credential(&label, &anew, now).await?;
                sealed += 1;
            }
        }
        self.commit(tx, "credentials", sealed, done).await?;
        Ok(last)
    }

    /// Seals the next held requests; gives the last of them, `None` at the end.
    async fn held(&self, after: Option<Uuid>, done: &mut Done) -> anyhow::Result<Option<Uuid>> {
        let mut tx = self.store.begin().await?;
        let held = tx.held_not_under(self.newest, after, HELD_STEP).await?;
        let last = held.last().map(|held| held.id);
        let mut sealed = 0;
        for HeldSealed { id, label, sealed: old } in held {
            if let Some(anew) = self.anew(label, &old, done) {
                tx.reseal_held(id, &anew).await?;
                sealed += 1;
            }
        }
        self.commit(tx, "held requests", sealed, done).await?;
        Ok(last)
    }

    /// What is sealed, with the newest key; what does not open is left as it is, and named.
    fn anew(&self, label: Label, old: &Sealed, done: &mut Done) -> Option<Sealed> {
        let opened = self.vault.open(&label, old);
        match opened.and_then(|secret| self.vault.seal(&label, &secret)) {
            Ok(anew) => Some(anew),
            Err(why) => {
                done.refused.push((label, why));
                None
            }
        }
    }

    async fn commit(
        &self,
        mut tx: Tx<'_>,
        what: &str,
        sealed: u64,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        if sealed > 0 {
            let entry = AuditEntry {
                at: SystemClock.now(),
                actor: self.actor,
                action: "rotate",
                target: &format!("{what}, to master key {}", self.newest),
                reason: "the master key was changed",
                count: sealed,
            };
            tx.audit(&entry).await?;
        }
        tx.commit(()).await?;
        done.sealed += sealed;
        Ok(())
    }
}
