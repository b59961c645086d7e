//! `sealpost apify`: what the application does when it starts a run.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use uuid::Uuid;

use super::{Exit, UsageError, block_on, database, output};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::providers::apify::Purpose;
use crate::providers::apify::tables::{NewRun, Registration, register};
use crate::providers::apify::token::{Claims, mint};

/// The header that carries the token.
const HEADER: &str = "X-Webhook-Signed-Payload";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Enter a run into the registry and mint its token.
    ///
    /// Prints one JSON document: the run's key, the token, and `headersTemplate` as a webhook of
    /// Apify's takes it. Do it before the run is started.
    Mint(Mint),
}

#[derive(Debug, clap::Args)]
pub(super) struct Mint {
    /// The source at which the run's webhooks will arrive.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The Discord guild that the run is started for.
    #[arg(long, value_name = "ID")]
    guild: String,
    /// The application's own id of the run; by default a new one.
    #[arg(long, value_name = "UUID")]
    run_key: Option<Uuid>,
    /// The actor, as its id or its name.
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Apify's id of the run, where it is known already.
    #[arg(long, value_name = "ID")]
    actor_run: Option<String>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    let Command::Mint(args) = command;
    let source = find(config, &args.source)?;
    let purpose = purpose(source)?;
    let secret = source.secrets.first().ok_or(UsageError("the source has no secret"))?;
    let now = SystemClock.now();
    let run_key = args.run_key.unwrap_or_else(Uuid::new_v4);
    let claims = Claims {
        v: 1,
        purpose: purpose.claim().to_owned(),
        guild_id: args.guild.clone(),
        run_key,
        iat: now.unix_timestamp(),
        nonce: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
        actor_id: args.actor.clone(),
        actor_run_id: args.actor_run.clone(),
    };
    // What the gateway would not read must not be minted.
    Claims::read(&serde_json::to_vec(&claims)?).ok_or(UsageError(
        "a guild and an actor's run are named by letters, digits, `-` and `_`, at most 64",
    ))?;
    let run = NewRun {
        source: args.source.clone(),
        run_key,
        purpose,
        guild_id: args.guild.clone(),
        actor_id: args.actor.clone(),
        actor_run_id: args.actor_run.clone(),
        initiated_at: now,
    };
    let database = database::share(config)?;
    let registered = block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(config, database.target.clone());
        let mut tx = store.begin().await?;
        let registered = register(&mut tx, &run).await?;
        Ok(tx.commit(registered).await?.into_inner())
    })?;
    if registered == Registration::Taken {
        anyhow::bail!("the run key, or the actor's run, belongs to another run");
    }
    let token = mint(secret, &claims);
    // Apify takes the template as a text that is JSON.
    let template = json!({ HEADER: token }).to_string();
    output::print(&output::json(&json!({
        "run_key": run_key,
        "source": args.source,
        "purpose": purpose.as_str(),
        "registered": registered == Registration::Registered,
        "token": token,
        "headersTemplate": template,
    })))?;
    Ok(Exit::Ok)
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a SourceConfig, UsageError> {
    let mut apify = config.sources.iter().filter(|source| source.entry.provider == "apify");
    let found = apify.find(|source| source.entry.name == name);
    found.ok_or(UsageError("there is no source of this name with provider = \"apify\""))
}

fn purpose(source: &SourceConfig) -> anyhow::Result<Purpose> {
    let options = &source.entry.options;
    if options.get("mode").and_then(toml::Value::as_str) == Some("token") {
        return Err(UsageError("the source has mode = \"token\", which reads no tokens").into());
    }
    let purpose = options.get("purpose").cloned();
    let purpose = purpose.ok_or(UsageError("the source's options name no purpose"))?;
    purpose.try_into().context("the source's purpose")
}
