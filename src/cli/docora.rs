//! `sealpost docora`: which repositories Docora watches.

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

/// More than any token, so that what is too long is seen to be.
const MAX_TOKEN: u64 = 1024;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Have Docora watch a repository.
    ///
    /// May be repeated: what is registered already is left alone. The token of a private
    /// repository is kept sealed; that takes a master key.
    Register(Register),
    /// Have Docora watch a repository no more, and forget its token.
    ///
    /// Its files and cards stay as they are. Where the source requires a registration, what still
    /// arrives of it waits for one.
    Unregister(Place),
    /// Replace the GitHub token of a repository, at Docora and here.
    UpdateToken(UpdateToken),
    /// List repositories: those that are registered, and those that events have come from.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The repository: `https://github.com/OWNER/NAME`.
    #[arg(value_name = "URL")]
    repository: Address,
    /// The source at which its events arrive; it may be left out where there is only one.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Register {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    token: TokenArgs,
    /// Ask Docora also where it is registered already. It may get another id.
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

/// Where the GitHub token is: never on the command line itself, which other users can see.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct TokenArgs {
    /// The GitHub token is in this variable.
    #[arg(long = "token-env", value_name = "VARIABLE")]
    env: Option<String>,
    /// The GitHub token is in this file.
    #[arg(long = "token-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The GitHub token comes on standard input.
    #[arg(long = "token-stdin")]
    stdin: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Of this source; by default of all.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How to print; JSON is one object a line.
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
                        place.print(&changed, "was registered already")?;
                        if token.is_some() {
                            super::talk("its token was left as it is: `update-token` replaces it");
                        }
                    }
                }
                Ok(Exit::Ok)
            })
        }
        Command::Unregister(place) => place.with(config, async |desk| {
            let done = desk.unregister(&place.repository, now).await?;
            if !done.known {
                super::talk("docora did not know it any more");
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
                "where is the token? say so with --token-env, --token-file or --token-stdin",
            ))?;
            config.vault.newest()?;
            place.with(config, async |desk| {
                let changed = desk.update_token(&place.repository, &token, now).await?;
                let did = if changed.anew { "registered anew" } else { "given the new token" };
                place.print(&changed, did)?;
                Ok(Exit::Ok)
            })
        }
        Command::List(list) => list.run(config),
    }
}

impl Place {
    /// Opens the database, and the way to Docora.
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
        let mut text = format!("{} {did} as {repository_id}", self.repository.url());
        if let Some(before) = before {
            text.push_str(", which was ");
            text.push_str(before);
        }
        if *released > 0 {
            let waited = format!("; {released} deliveries waited for it");
            text.push_str(&waited);
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
                (None, Some(by)) => format!("now {by}"),
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

fn find<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a SourceConfig, UsageError> {
    let mut docora = config.sources.iter().filter(|source| is_docora(source));
    if let Some(name) = name {
        let found = docora.find(|source| source.entry.name == name);
        return found
            .ok_or(UsageError("there is no source of this name with provider = \"docora\""));
    }
    match (docora.next(), docora.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(UsageError("there is no source with provider = \"docora\"")),
        (Some(_), Some(_)) => Err(UsageError("there are several sources: say which with --source")),
    }
}

fn api(config: &Config, source: &SourceConfig) -> anyhow::Result<DocoraClient> {
    let url = source.entry.options.get("api_url").cloned();
    let url = url.ok_or(UsageError("the source's options name no `api_url`"))?;
    let url: ApiUrl = url.try_into().context("the source's api_url")?;
    let token = source.token.clone();
    let token = token.ok_or(UsageError("the source has no `token`, which Docora asks for"))?;
    Ok(DocoraClient::new(app::services(config)?.outbound, url, token))
}
