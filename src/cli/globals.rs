//! The options of every command: the configuration, or the gateway to use instead of the database.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::UsageError;
use super::local_only::LocalOnly;
use super::remote::{ApiClient, ApiError, contexts, read_key};
use crate::admin::Need;
use crate::config::{Config, ConfigError, Environment};

/// Environment variable with the API key.
const KEY: &str = "SEALPOST_API_KEY";
/// Environment variable with the URL of a gateway.
const URL: &str = "SEALPOST_URL";
/// Environment variable with the name of a context.
const CONTEXT: &str = "SEALPOST_CONTEXT";
/// Heading in the help of the options that choose a gateway.
const HEADING: &str = "Gateway options";

/// The options of every command.
#[derive(Debug, clap::Args)]
pub(super) struct GlobalArgs {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.toml")]
    pub(super) config: PathBuf,
    /// URL of a gateway's admin listener: work over its API, not on the database. The API key is
    /// read from `SEALPOST_API_KEY`. Variable: `SEALPOST_URL`.
    #[arg(long, global = true, value_name = "URL", help_heading = HEADING)]
    url: Option<String>,
    /// Gateway saved by `sealpost login`: work over its API, not on the database. Variable:
    /// `SEALPOST_CONTEXT`.
    #[arg(long, global = true, value_name = "NAME", help_heading = HEADING)]
    context: Option<String>,
    /// File with the API key for --url or --context, which only its owner can read.
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    key_file: Option<PathBuf>,
}

/// A chosen gateway.
enum Gateway<'a> {
    Url(&'a str),
    Context(&'a str),
}

impl GlobalArgs {
    /// The API to work over; `None` to work on the database.
    pub(super) fn api(&self) -> anyhow::Result<Option<ApiClient>> {
        let api = self.chosen_api()?;
        if api.is_none() && self.key_file.is_some() {
            return Err(UsageError("--key-file needs --url or --context").into());
        }
        Ok(api)
    }

    /// The API of the chosen gateway, if one is chosen.
    pub(super) fn chosen_api(&self) -> anyhow::Result<Option<ApiClient>> {
        let environment = Environment::of_process();
        Ok(match self.gateway(&environment)? {
            None => None,
            Some(Gateway::Url(url)) => Some(ApiClient::new(url, self.key(&environment)?)?),
            Some(Gateway::Context(name)) => {
                let contexts = contexts::Contexts::load(&contexts::path(&environment)?)?;
                let context = contexts.take(name)?;
                let key = self.key_of_file()?.unwrap_or(context.key);
                Some(ApiClient::new(&context.url, key)?)
            }
        })
    }

    /// The API key for a URL.
    pub(super) fn key(&self, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
        let key = self.given_key(environment)?.ok_or(UsageError(
            "no API key; set SEALPOST_API_KEY or pass --key-file \
             (create one with `sealpost api-keys create`)",
        ))?;
        Ok(key)
    }

    /// The API key of --key-file or of the environment.
    pub(super) fn given_key(
        &self,
        environment: &Environment,
    ) -> Result<Option<Zeroizing<String>>, ApiError> {
        let variable = || environment.get(KEY).map(|key| Zeroizing::new(key.to_owned()));
        Ok(self.key_of_file()?.or_else(variable))
    }

    /// The URL of --url or of the environment.
    pub(super) fn given_url<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        self.url.as_deref().or_else(|| environment.get(URL))
    }

    /// The API key in the file of --key-file.
    fn key_of_file(&self) -> Result<Option<Zeroizing<String>>, ApiError> {
        self.key_file.as_deref().map(read_key).transpose()
    }

    /// Rejects a command that works on this machine only, if a gateway is given. For commands
    /// that change something, one in the environment counts too: they would change another
    /// database than the user expects.
    pub(super) fn reject_gateway(&self, local: LocalOnly) -> Result<(), ApiError> {
        let environment =
            if local.changes { Environment::of_process() } else { Environment::default() };
        if self.gateway(&environment)?.is_none() && self.key_file.is_none() {
            return Ok(());
        }
        Err(ApiError::Usage(format!(
            "`{}` works on this machine only, not over the API: leave out --url, --context and \
             --key-file, and unset {URL} and {CONTEXT}",
            local.command
        )))
    }

    /// What a command needs that shows sources, and can do without their secrets.
    pub(super) fn sources_if_loaded(&self) -> Need {
        if self.load().is_ok() { Need::Sources } else { Need::Names }
    }

    /// Reads the configuration.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.config, &Environment::of_process())
    }

    /// The chosen gateway. An option overrides the variables.
    fn gateway<'a>(
        &'a self,
        environment: &'a Environment,
    ) -> Result<Option<Gateway<'a>>, ApiError> {
        let given = (self.url.as_deref(), self.context.as_deref());
        let variables = || (environment.get(URL), environment.get(CONTEXT));
        let (url, context) = if given == (None, None) { variables() } else { given };
        match (url, context) {
            (Some(_), Some(_)) => Err(ApiError::usage(
                "a URL and a context are given (--url, --context, SEALPOST_URL, \
                 SEALPOST_CONTEXT): only one can be used",
            )),
            (Some(url), None) => Ok(Some(Gateway::Url(url))),
            (None, Some(name)) => Ok(Some(Gateway::Context(name))),
            (None, None) => Ok(None),
        }
    }
}
