//! Where a command works: on the database, or over the API of a gateway.
//!
//! A command asks the [`Backend`] for models and prints them, so that its output is the same both
//! ways. On the database, the caller has every scope; over the API, those of the key.

mod access;
mod dead_letters;
mod events;
mod gateway;
mod jobs;
mod rejected_requests;
mod unknown;

use serde_json::{Value, json};

pub(super) use rejected_requests::explain;

use super::globals::GlobalArgs;
use super::remote::{ApiClient, ApiError};
use super::{UsageError, block_on, caller, database, exit};
use crate::admin::actions::{Action, ActionResult, Options};
use crate::admin::{Admin, AdminError, Caller, Need, Reason};
use crate::app;
use crate::config::{Config, Environment};

/// Where a command works.
pub(super) enum Backend {
    /// On the database.
    Database {
        /// The admin core.
        admin: Box<Admin>,
        /// Who runs the command.
        caller: Caller,
    },
    /// Over the API of a gateway.
    Api(ApiClient),
}

/// Runs a command's work: over the API if a gateway is given, or on the database for `actor`, by
/// default the current user. `needs` is what it needs of the configuration on the database.
pub(super) fn with<T>(
    globals: &GlobalArgs,
    needs: Need,
    actor: Option<&str>,
    work: impl AsyncFnOnce(&Backend) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let Some(api) = globals.api()? {
        if actor.is_some() {
            let why = "over the API, the actor is that of the API key: leave out --actor";
            return Err(UsageError(why).into());
        }
        let backend = Backend::Api(api);
        return block_on(async { work(&backend).await });
    }
    let (caller, environment) = (caller(actor)?, Environment::of_process());
    let path = &globals.config;
    let config = match needs {
        Need::Nothing => Config::load_without_sources(path, &environment)?,
        Need::Names => Config::load_without_secrets(path, &environment)?,
        Need::Sources => Config::load(path, &environment).map_err(exit::not_loaded)?,
    };
    if needs == Need::Sources {
        // Errors in the configuration are found before a database is started.
        if let Some(error) = app::check(&config).errors.into_iter().next() {
            return Err(error.into());
        }
    }
    database::with_store(&config, async |store| {
        let admin = Box::new(app::admin(&config, store, needs)?);
        if needs == Need::Sources {
            // Without them the command would only know the secrets of the configuration.
            admin.stored_secrets.refresh().await?;
        }
        work(&Backend::Database { admin, caller }).await
    })
}

/// Does work that only the database can do.
pub(super) fn with_database<T>(
    globals: &GlobalArgs,
    needs: Need,
    actor: Option<&str>,
    work: impl AsyncFnOnce(&Admin, &Caller) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    with(globals, needs, actor, async |backend| match backend {
        Backend::Database { admin, caller } => work(admin, caller).await,
        // The command is one of those that reject a gateway.
        Backend::Api(_) => Err(ApiError::usage("works on the database only").into()),
    })
}

/// What was asked for; `None` if it is not found.
pub(super) fn found<T>(result: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(AdminError::NotFound(_)))
        || error.downcast_ref().is_some_and(ApiError::is_not_found)
}

impl Backend {
    /// Applies an action of the catalogue to one item.
    pub(super) async fn act(
        &self,
        action: &Action,
        id: &str,
        reason: Option<&str>,
        options: Options<'_>,
    ) -> anyhow::Result<ActionResult> {
        match self {
            Self::Database { admin, caller } => {
                let reason = reason.map(Reason::new).transpose()?;
                Ok(action.run(admin, caller, id, reason.as_ref(), options).await?)
            }
            Self::Api(api) => {
                let body = reason.filter(|_| action.traits.asks_reason).map(|reason| {
                    let switch = action.traits.option.filter(|_| options.option);
                    let switch = switch.map(|switch| (switch.name, json!(true)));
                    let value = action.traits.value.zip(options.value);
                    let value = value.map(|(value, text)| (value.name, json!(text)));
                    let all = [("reason", json!(reason))].into_iter().chain(switch).chain(value);
                    Value::Object(all.map(|(name, value)| (name.to_owned(), value)).collect())
                });
                Ok(api.post(&[action.noun.path(), id, action.verb], body.as_ref()).await?)
            }
        }
    }

    /// The URL of the console, for links.
    pub(super) fn console(&self, globals: &GlobalArgs) -> anyhow::Result<String> {
        match self {
            Self::Database { .. } => {
                let environment = Environment::of_process();
                let config = Config::load_without_sources(&globals.config, &environment)?;
                Ok(config.operator_base(config.file.operator.listen))
            }
            Self::Api(api) => Ok(api.base().to_owned()),
        }
    }
}
