//! The options of every command: the configuration, or the gateway to use instead of the database.

use std::path::PathBuf;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::UsageError;
use super::remote::{Api, ApiError, contexts};
use crate::config::{Config, ConfigError, Environment};

/// Environment variable with the API key.
const KEY: &str = "SEALPOST_API_KEY";
/// Environment variable with the URL of a gateway.
const URL: &str = "SEALPOST_URL";
/// Environment variable with the name of a context.
const CONTEXT: &str = "SEALPOST_CONTEXT";

/// The options of every command.
#[derive(Debug, clap::Args)]
pub(super) struct GlobalArgs {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.toml")]
    pub(super) config: PathBuf,
    /// URL of a gateway's operator listener: work over its API, not on the database. The API key is
    /// read from `SEALPOST_API_KEY`. Variable: `SEALPOST_URL`.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Gateway saved by `sealpost login`: work over its API, not on the database. Variable:
    /// `SEALPOST_CONTEXT`.
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// File with the API key for --url.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// A chosen gateway.
enum Gateway<'a> {
    Url(&'a str),
    Context(&'a str),
}

impl GlobalArgs {
    /// The API to work over; `None` to work on the database.
    pub(super) fn api(&self) -> anyhow::Result<Option<Api>> {
        let environment = Environment::of_process();
        Ok(match self.gateway(&environment)? {
            None => None,
            Some(Gateway::Url(url)) => Some(Api::new(url, self.key(&environment)?)?),
            Some(Gateway::Context(name)) => {
                let contexts = contexts::Contexts::load(&contexts::path(&environment)?)?;
                let context = contexts.take(name)?;
                Some(Api::new(&context.url, context.key)?)
            }
        })
    }

    /// The API key for a URL.
    pub(super) fn key(&self, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
        if let Some(key) = self.key_of_file()? {
            return Ok(key);
        }
        let key = environment.get(KEY).ok_or(UsageError(
            "no API key; set SEALPOST_API_KEY or pass --key-file \
             (create one with `sealpost api-keys create`)",
        ))?;
        Ok(Zeroizing::new(key.to_owned()))
    }

    /// The API key in the file of --key-file.
    pub(super) fn key_of_file(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let Some(path) = &self.key_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(Zeroizing::new(text.trim().to_owned())))
    }

    /// Refuses a command that works on this machine only, where a gateway is given. With
    /// `variables`, one in the environment counts too: for commands that change a database, which
    /// would be another one than the user expects.
    pub(super) fn refuse(&self, command: &str, variables: bool) -> Result<(), ApiError> {
        let environment =
            if variables { Environment::of_process() } else { Environment::default() };
        match self.gateway(&environment)? {
            None => Ok(()),
            Some(_) => Err(ApiError::Usage(format!(
                "`{command}` works on this machine only: leave out --url and --context, and unset \
                 {URL} and {CONTEXT}"
            ))),
        }
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
