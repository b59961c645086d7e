//! `sealpost api-keys`: manage API keys for the admin API.

use super::Exit;
use super::actions::{OnApiKey, Perform};
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use crate::admin::{ApiKey, ApiKeyState, Expiry, Need, NewApiKey, Scope};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a key and print it. It is shown only once: the gateway stores only its digest.
    Create(Create),
    /// List API keys, newest first; `--format json` prints one JSON object per line.
    List(List),
    #[command(flatten)]
    Act(Perform<OnApiKey>),
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// Name of the key. The audit log shows its requests as key:NAME.
    name: String,
    /// Scopes to grant: events:read, payload:read, events:replay, events:edit, events:erase,
    /// sources:write, secrets:write, admin.
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

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Create(create) => {
            let actor = create.actor.as_deref();
            backend::with(globals, Need::Nothing, actor, async |backend| create.run(backend).await)
        }
        Command::List(list) => {
            backend::with(globals, Need::Nothing, None, async |backend| list.run(backend).await)
        }
        Command::Act(action) => action.run(globals),
    }
}

impl Create {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let new = NewApiKey {
            name: self.name.clone(),
            scopes: self.scopes.iter().copied().collect(),
            tenant: self.tenant.clone(),
            expiry: self.expires,
        };
        let made = backend.create_key(&new).await?;
        output::print_as(self.format, &format!("{}\n", *made.key), &made)?;
        super::print_message("the key is shown only once: store it now");
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let mut keys = backend.keys().await?;
        keys.retain(|key| self.all || key.state == ApiKeyState::Good);
        Ok(output::list(self.format, &keys, table)?)
    }
}

fn table(keys: &[ApiKey]) -> String {
    let head = ["ID", "NAME", "STATE", "TENANT", "LAST USED", "EXPIRES", "CREATED BY", "SCOPES"];
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let scopes: Vec<&str> = key.scopes.iter().map(Scope::as_str).collect();
            vec![
                key.id.clone(),
                key.name.clone(),
                key.state.to_string(),
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
    let span = super::duration(text)?;
    span.try_into().map(Expiry::After).map_err(|_| "duration too long; use `never`".to_owned())
}
