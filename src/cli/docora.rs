//! `sealpost docora`: manage the repositories that Docora watches.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use zeroize::Zeroizing;

use super::output::{self, Format};
use super::{Exit, UsageError, caller, database};
use crate::app::{self, Repositories};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment, SourceConfig};
use crate::providers::docora::registry::{
    Address, ApiUrl, Changed, DocoraClient, GithubToken, Registering, Repository,
    RepositoryRegistrar,
};
use crate::store::Store;

/// Longer than any valid token, so that overlong input is detected.
const MAX_TOKEN: u64 = 1024;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Register a repository with Docora.
    ///
    /// Safe to repeat: a registered repository is left unchanged. The token of a private repository
    /// is stored sealed, which requires a master key.
    Register(Register),
    /// Unregister a repository from Docora and delete its token.
    ///
    /// Its files and cards are kept. If the source requires registration, further events of the
    /// repository wait until it is registered again.
    Unregister(Place),
    /// Replace the GitHub token of a repository, at Docora and in the gateway.
    UpdateToken(UpdateToken),
    /// List registered repositories, and repositories that sent events.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Repository URL: `https://github.com/OWNER/NAME`.
    #[arg(value_name = "URL")]
    repository: Address,
    /// Source that receives its events; optional if there is only one.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
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

#[derive(Debug, clap::Args)]
pub(super) struct Register {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    token: TokenArgs,
    /// Register again even if already registered. The repository ID may change.
    #[arg(long)]
    again: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct UpdateToken {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    token: TokenArgs,
}

/// Location of the GitHub token: never the command line itself, which other users can see.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct TokenArgs {
    /// Environment variable with the GitHub token.
    #[arg(long = "token-env", value_name = "VARIABLE")]
    env: Option<String>,
    /// File with the GitHub token.
    #[arg(long = "token-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Read the GitHub token from standard input.
    #[arg(long = "token-stdin")]
    stdin: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only this source; defaults to all.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Output format; JSON prints one object per line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    let now = SystemClock.now();
    match command {
        Command::Register(Register { place, token, again }) => {
            let token = token.read()?;
            if let (Some(_), Err(error)) = (&token, config.vault.newest()) {
                return Err(error.into());
            }
            place.with(config, async |desk| {
                let address = &place.repository;
                match desk.register(address, token.as_ref(), *again, now).await? {
                    Registering::Registered(changed) => place.print(&changed, "registered")?,
                    Registering::Known(id) => {
                        let changed =
                            Changed { repository_id: id, before: None, anew: false, released: 0 };
                        place.print(&changed, "already registered")?;
                        if token.is_some() {
                            super::print_message(
                                "token unchanged; use `update-token` to replace it",
                            );
                        }
                    }
                }
                Ok(Exit::Ok)
            })
        }
        Command::Unregister(place) => place.with(config, async |desk| {
            let done = desk.unregister(&place.repository, now).await?;
            if !done.known {
                super::print_message("the repository was no longer registered at Docora");
            }
            let changed = Changed {
                repository_id: done.repository_id,
                before: None,
                anew: false,
                released: 0,
            };
            place.print(&changed, "unregistered")?;
            Ok(Exit::Ok)
        }),
        Command::UpdateToken(UpdateToken { place, token }) => {
            let token = token.read()?;
            let token = token.ok_or(UsageError(
                "no token given; pass --token-env, --token-file or --token-stdin",
            ))?;
            config.vault.newest()?;
            place.with(config, async |desk| {
                let changed = desk.update_token(&place.repository, &token, now).await?;
                let did = if changed.anew { "registered again" } else { "token updated" };
                place.print(&changed, did)?;
                Ok(Exit::Ok)
            })
        }
        Command::List(list) => list.run(config),
    }
}

impl Place {
    /// Opens the database and creates the Docora client.
    fn with(
        &self,
        config: &Config,
        work: impl AsyncFnOnce(&RepositoryRegistrar) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        let source = find(config, self.source.as_deref())?;
        let caller = caller(self.actor.as_deref())?;
        let api = api(config, source)?;
        database::with_store(config, async |store| {
            let repositories = Repositories {
                store: store.clone(),
                vault: config.vault.clone(),
                tenant: source.entry.tenant.clone(),
                source: source.entry.name.clone(),
                api,
            };
            work(&repositories.desk(&caller, &self.reason)?).await
        })
    }

    fn print(&self, changed: &Changed, did: &str) -> std::io::Result<()> {
        let Changed { repository_id, before, released, .. } = changed;
        if self.format == Format::Json {
            return output::print(&output::json(&json!({
                "repository_id": repository_id,
                "github_url": self.repository.url(),
                "did": did,
                "before": before,
                "released": released,
            })));
        }
        let mut text = format!("{}: {did}, repository {repository_id}", self.repository.url());
        if let Some(before) = before {
            text.push_str(", previously ");
            text.push_str(before);
        }
        if *released > 0 {
            let waiting = format!("; {released} waiting deliveries released");
            text.push_str(&waiting);
        }
        text.push('\n');
        output::print(&text)
    }
}

impl TokenArgs {
    fn read(&self) -> anyhow::Result<Option<GithubToken>> {
        let bytes = if let Some(variable) = &self.env {
            let environment = Environment::of_process();
            let value = environment.get(variable).map(|value| value.as_bytes().to_vec());
            value.ok_or(UsageError("the variable of --token-env is not set"))?
        } else if let Some(path) = &self.file {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
        } else if self.stdin {
            let mut bytes = Vec::new();
            std::io::stdin().take(MAX_TOKEN).read_to_end(&mut bytes).context("standard input")?;
            bytes
        } else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);
        Ok(Some(GithubToken::new(bytes.trim_ascii())?))
    }
}

impl List {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let sources = match &self.source {
            Some(name) => vec![find(config, Some(name))?],
            None => config.sources.iter().filter(|source| is_docora(source)).collect(),
        };
        let repositories = database::with_store(config, async |store| all(store, &sources).await)?;
        if repositories.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&repositories))?,
            Format::Json => {
                let lines: String = repositories.iter().map(document).collect();
                output::print(&lines)?;
            }
        }
        Ok(Exit::Ok)
    }
}

async fn all(store: &Store, sources: &[&SourceConfig]) -> anyhow::Result<Vec<(Repository, bool)>> {
    let caller = caller(None)?;
    let mut repositories = Vec::new();
    for source in sources {
        let entry = &source.entry;
        repositories.extend(app::repositories(&caller, store, &entry.tenant, &entry.name).await?);
    }
    Ok(repositories)
}

fn table(repositories: &[(Repository, bool)]) -> String {
    let head = [
        "SOURCE",
        "REPOSITORY",
        "URL",
        "REGISTERED",
        "TOKEN",
        "STATUS",
        "LAST SYNC",
        "CARDS",
        "ERROR",
    ];
    let rows: Vec<Vec<String>> = repositories
        .iter()
        .map(|(repository, token)| {
            let registered = match (&repository.registered_at, &repository.replaced_by) {
                (Some(at), _) => output::time(*at),
                (None, Some(by)) => format!("replaced by {by}"),
                (None, None) => "no".to_owned(),
            };
            vec![
                repository.source.clone(),
                repository.repository_id.clone(),
                repository.github_url.clone(),
                registered,
                if *token { "sealed" } else { "none" }.to_owned(),
                repository.status.clone(),
                repository.last_sync_at.map(output::time).unwrap_or_default(),
                repository.cards_count.to_string(),
                repository.error_message.as_deref().unwrap_or_default().chars().take(80).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn document((repository, token): &(Repository, bool)) -> String {
    output::json(&json!({
        "source": repository.source,
        "repository_id": repository.repository_id,
        "github_url": repository.github_url,
        "registered_at": repository.registered_at.map(output::rfc3339),
        "replaced_by": repository.replaced_by,
        "token": token,
        "status": repository.status,
        "last_sync_at": repository.last_sync_at.map(output::rfc3339),
        "cards_count": repository.cards_count,
        "consecutive_failures": repository.consecutive_failures,
        "error_message": repository.error_message,
    }))
}

fn is_docora(source: &SourceConfig) -> bool {
    source.entry.provider == "docora"
}

fn find<'a>(config: &'a Config, name: Option<&str>) -> anyhow::Result<&'a SourceConfig> {
    if let Some(name) = name {
        return Ok(super::sources::of_provider(config, "docora", name)?);
    }
    let mut docora = config.sources.iter().filter(|source| is_docora(source));
    match (docora.next(), docora.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(UsageError("no source has provider = \"docora\"").into()),
        (Some(_), Some(_)) => {
            Err(UsageError("several sources have provider = \"docora\"; choose one with --source")
                .into())
        }
    }
}

fn api(config: &Config, source: &SourceConfig) -> anyhow::Result<DocoraClient> {
    let url = source.entry.options.get("api_url").cloned();
    let url = url.ok_or(UsageError("the source has no option `api_url`"))?;
    let url: ApiUrl = url.try_into().context("the source's api_url")?;
    let token = source.token.clone();
    let token = token.ok_or(UsageError("the source has no `token`, which Docora requires"))?;
    Ok(DocoraClient::new(app::services(config)?.outbound, url, token))
}
