//! The repositories that Docora watches for this application: registered through its API
//! ([`DocoraClient`]) and tracked here ([`RepositoryRegistrar`]).
//!
//! - A *registration* gives a repository its id. A new registration may change the id: Docora then
//!   deletes the old one and rejects the first of the two calls.
//! - A repository's GitHub token is kept sealed, so that the repository can be registered again.
//! - Docora starts sending as soon as it knows a repository, possibly before its response is
//!   recorded here. If a registration is required, such events wait for it.

use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

mod address;
mod client;
mod registrar;

pub use address::{Address, BadAddress, BadToken, GithubToken};
pub use client::{ApiError, DocoraClient, Registered};
pub use registrar::{By, Changed, Registering, RegistrarError, RepositoryRegistrar, Unregistered};

use super::tables::RepositoryRow;
use crate::store::{Alert, AlertResolution, EventId, Severity, StoreError, Tx};

/// The repositories whose events are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Any: a repository is created with its first event.
    #[default]
    Open,
    /// Registered ones: events of others wait for the registration.
    Required,
}

/// The URL of Docora's API.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct ApiUrl(Url);

/// A listed repository.
#[derive(Debug, Clone)]
pub struct Repository {
    pub source: String,
    /// Docora's id.
    pub repository_id: String,
    pub github_url: String,
    /// `pending`, `synced` or `sync_failed`.
    pub status: String,
    /// The time of registration, if it is registered.
    pub registered_at: Option<OffsetDateTime>,
    /// The id that replaced this one.
    pub replaced_by: Option<String>,
    /// When the newest file event was built.
    pub last_sync_at: Option<OffsetDateTime>,
    /// The number of available cards.
    pub cards_count: i64,
    /// The sender's consecutive failures.
    pub consecutive_failures: i64,
    /// For `sync_failed`: the output of git, without credentials.
    pub error_message: Option<String>,
}

impl ApiUrl {
    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<String> for ApiUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut url = Url::parse(&text).map_err(|_| "`api_url` is not a valid URL")?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("`api_url` must begin with https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("`api_url` must contain no credentials: use the source's `token`");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("`api_url` must have a path");
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }
}

/// The name under which events wait for a repository's registration.
pub(super) fn awaiting(repository_id: &str) -> String {
    format!("repository {repository_id} is not registered (run `sealpost docora register`)")
}

const SYNC_FAILED: &str = "sync_failed";

/// Raises the alert for an unreadable repository. `message` contains no credentials.
pub(super) async fn alert_failure(
    tx: &mut Tx<'_>,
    repository: &RepositoryRow,
    message: &str,
) -> Result<(), StoreError> {
    let RepositoryRow { source, repository_id, owner, name, event_id, .. } = repository;
    tx.alert(&Alert {
        alert_type: SYNC_FAILED,
        key: repository_id,
        severity: Severity::Warning,
        source,
        event: Some(EventId(*event_id)),
        text: &format!("{owner}/{name} cannot be read: {message}"),
        passing: false,
    })
    .await
}

/// Resolves the alert of a repository that is readable again.
pub(super) async fn resolve_recovered(
    tx: &mut Tx<'_>,
    repository: &RepositoryRow,
) -> Result<(), StoreError> {
    let RepositoryRow { source, repository_id, owner, name, event_id, .. } = repository;
    let text = format!("{owner}/{name} recovered: files are arriving again");
    resolve_alert(tx, (source, repository_id), &text, Some(EventId(*event_id))).await
}

/// Resolves the alert of an unreadable repository, if there is one.
pub(super) async fn resolve_alert(
    tx: &mut Tx<'_>,
    (source, repository_id): (&str, &str),
    text: &str,
    event: Option<EventId>,
) -> Result<(), StoreError> {
    let (alert_type, key) = (SYNC_FAILED, repository_id);
    let resolution = AlertResolution { alert_type, key, source, event, text };
    tx.close_alert(&resolution).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_url_must_not_contain_credentials() {
        for (text, url) in [
            ("https://docora.test", "https://docora.test/"),
            ("https://docora.test/base", "https://docora.test/base/"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/"),
        ] {
            assert_eq!(ApiUrl::try_from(text.to_owned()).unwrap().0.as_str(), url);
        }
        for text in ["docora.test", "ftp://a.test", "https://t:p@a.test", "https://a.test/?x=1"] {
            assert!(ApiUrl::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
