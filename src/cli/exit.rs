//! How a command ended, and hints for errors.

use std::borrow::Cow;
use std::process::ExitCode;

use super::remote::ApiError;
use super::start;
use crate::admin::AdminError;
use crate::config::ConfigError;
use crate::store::{OpenError, StoreError};
use crate::vault::VaultError;

/// A hint where something is not found.
const LISTS: &str = "the `list` commands show existing names and IDs";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success.
    Ok = 0,
    /// Something failed, or something differs from what was expected.
    Failed = 1,
    /// Nothing matched the selection.
    NothingMatched = 2,
    /// The command line or the configuration is wrong.
    Usage = 64,
    /// The database or the gateway cannot be reached.
    Unavailable = 69,
}

/// Invalid command line arguments.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) &'static str);

/// Secrets that a command on the database needs are not set.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct MissingSecrets(ConfigError);

/// An error of the configuration, with a hint where secrets are not set.
pub(super) fn not_loaded(error: ConfigError) -> anyhow::Error {
    let is_missing = |wrong: &Vec<String>| wrong.iter().any(|one| one.contains("is not set"));
    if matches!(&error, ConfigError::Invalid(wrong) if is_missing(wrong)) {
        MissingSecrets(error).into()
    } else {
        error.into()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit code of an error.
pub(super) fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<ApiError>() {
            return error.exit();
        }
        match cause.downcast_ref() {
            Some(AdminError::NotFound(_)) => return Exit::NothingMatched,
            Some(AdminError::Invalid(_)) => return Exit::Usage,
            _ => {}
        }
        if cause.is::<ConfigError>()
            || cause.is::<MissingSecrets>()
            || cause.is::<start::Refused>()
            || matches!(cause.downcast_ref(), Some(OpenError::Url(_)))
            || cause.is::<crate::app::BuildError>()
            || cause.is::<crate::fixtures::SourceError>()
            || cause.is::<UsageError>()
            || matches!(cause.downcast_ref(), Some(VaultError::NoKey))
        {
            return Exit::Usage;
        }
        if cause.is::<OpenError>()
            || cause.is::<StoreError>()
            || cause.is::<crate::postgres::ClusterError>()
        {
            return Exit::Unavailable;
        }
    }
    Exit::Failed
}

/// A hint for errors whose message has none.
pub(super) fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<Cow<'static, str>> {
    if let Some(option) = needed_option(cause) {
        return Some(format!("add --{option} to do it anyway").into());
    }
    fixed_hint(cause).map(Cow::Borrowed)
}

/// The option of the action that does it anyway.
fn needed_option<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    if let Some(AdminError::NeedsOption { option, .. }) = cause.downcast_ref() {
        return Some(*option);
    }
    cause.downcast_ref::<ApiError>()?.needed_option()
}

/// A hint that is always the same for an error.
fn fixed_hint(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<OpenError>() {
        return error.kind().advice();
    }
    if let Some(error) = cause.downcast_ref::<ApiError>() {
        return match error {
            error if error.is_not_found() => Some(LISTS),
            error if error.is_unauthenticated() => {
                Some("check the API key; `sealpost login` saves another")
            }
            _ => None,
        };
    }
    if cause.is::<MissingSecrets>() {
        return Some("use --context, or load the service's environment");
    }
    if let Some(ConfigError::Read { .. }) = cause.downcast_ref() {
        return Some("set the path with --config");
    }
    match cause.downcast_ref() {
        Some(AdminError::NotFound(_)) => Some(LISTS),
        Some(AdminError::Vault(VaultError::WrongKey { .. })) => {
            Some("add the master key that sealed it to SEALPOST_MASTER_KEY_OLD")
        }
        _ => None,
    }
}
