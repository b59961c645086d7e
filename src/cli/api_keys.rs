//! `sealpost api-keys`: manage API keys for the admin API.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{self, Format};
use super::{Exit, actor, database};
use crate::admin::{Access, ApiKey, Caller, Expiry, NewApiKey, Scope};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a key and print it. It is shown only once: the gateway stores only its digest.
    Create(Create),
    /// List API keys, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Revoke a key.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// Name of the key. The audit log shows its requests as key:NAME.
    name: String,
    /// Scopes to grant: events:read, payload:read, events:replay, events:edit, sources:write,
    /// secrets:write, admin.
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// Restrict the key to this tenant; defaults to all tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Lifetime, such as `30d`, or `never` for a key that does not expire.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = expiry)]
    expires: Expiry,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Include revoked and expired keys.
    #[arg(long)]
    all: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// Key ID: the part between `slp_` and the next `_`.
    id: String,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(path: &Path, command: &Command) -> anyhow::Result<Exit> {
    let caller = match command {
        Command::Create(create) => Caller::local(actor(create.actor.as_deref())?),
        Command::Revoke(revoke) => Caller::local(actor(revoke.actor.as_deref())?),
        Command::List(_) => Caller::local(""),
    };
    let config = Config::load_without_sources(path, &Environment::of_process())?;
    database::with_store(&config, async |store| {
        let access = Access::new(store.clone(), Arc::new(SystemClock), config.vault.clone());
        match command {
            Command::Create(create) => create.run(&access, &caller).await,
            Command::List(list) => list.run(&access, &caller).await,
            Command::Revoke(revoke) => revoke.run(&access, &caller).await,
        }
    })
}

impl Create {
    async fn run(&self, access: &Access, caller: &Caller) -> anyhow::Result<Exit> {
        let new = NewApiKey {
            name: self.name.clone(),
            scopes: self.scopes.iter().copied().collect(),
            tenant: self.tenant.clone(),
            expiry: self.expires,
        };
        let made = access.create_key(caller, &new).await?;
        match self.format {
            Format::Text => output::print(&format!("{}\n", *made.key))?,
            Format::Json => {
                let mut line = describe(&made.about, SystemClock.now());
                if let Some(object) = line.as_object_mut() {
                    object.insert("key".to_owned(), Value::String(made.key.to_string()));
                }
                output::print(&output::json(&line))?;
            }
        }
        super::talk("the key is shown only once: store it now");
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, access: &Access, caller: &Caller) -> anyhow::Result<Exit> {
        let now = SystemClock.now();
        let mut keys = access.keys(caller).await?;
        keys.retain(|key| self.all || key.state(now) == "good");
        if keys.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&keys, now))?,
            Format::Json => {
                let lines: String =
                    keys.iter().map(|key| output::json(&describe(key, now))).collect();
                output::print(&lines)?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Revoke {
    async fn run(&self, access: &Access, caller: &Caller) -> anyhow::Result<Exit> {
        let key = access.revoke_key(caller, &self.id, &self.reason).await?;
        let text = format!("revoked {} ({})\n", output::line(&key.name), key.id);
        output::print_as(self.format, &text, &describe(&key, SystemClock.now()))?;
        Ok(Exit::Ok)
    }
}

fn describe(key: &ApiKey, now: OffsetDateTime) -> Value {
    let time = |at: Option<OffsetDateTime>| at.map_or(Value::Null, output::rfc3339);
    json!({
        "id": key.id,
        "name": key.name,
        "state": key.state(now),
        "scopes": key.scopes.iter().map(Scope::as_str).collect::<Vec<_>>(),
        "tenant": key.tenant,
        "created_at": output::rfc3339(key.created_at),
        "created_by": key.created_by,
        "expires_at": time(key.expires_at),
        "last_used_at": time(key.last_used_at),
        "revoked_at": time(key.revoked_at),
        "revoked_by": key.revoked_by,
    })
}

fn table(keys: &[ApiKey], now: OffsetDateTime) -> String {
    let head = ["ID", "NAME", "STATE", "TENANT", "LAST USED", "EXPIRES", "CREATED BY", "SCOPES"];
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let scopes: Vec<&str> = key.scopes.iter().map(Scope::as_str).collect();
            vec![
                key.id.clone(),
                key.name.clone(),
                key.state(now).to_owned(),
                key.tenant.clone().unwrap_or_else(|| "all".to_owned()),
                key.last_used_at.map_or_else(|| "never".to_owned(), output::time),
                key.expires_at.map_or_else(|| "never".to_owned(), output::time),
                key.created_by.clone(),
                scopes.join(" "),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

/// Parses a duration or `never`.
fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    span.try_into().map(Expiry::After).map_err(|_| "duration too long; use `never`".to_owned())
}
