//! The repositories that Docora watches for this application: registered at its own interface
//! ([`DocoraClient`]), and kept track of here ([`RepositoryRegistrar`]).
//!
//! - A *registration* gives a repository its id. Registering again may give another: Docora then
//!   deletes the old one, and refuses the first call of the two.
//! - A repository's GitHub token is kept sealed, so that it can be registered again.
//! - Docora begins to send as soon as it knows a repository, which may be before its answer is
//!   recorded here. Where a registration is required, such events wait for it.

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
use crate::store::{Alert, AlertResolution, Severity, StoreError, Tx};

/// Which repositories' events are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Any: a repository appears with its first event.
    #[default]
    Open,
    /// Registered ones: events of others wait until they are.
    Required,
}

/// Where Docora's own interface is.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct ApiUrl(Url);

/// A repository, as it is listed.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its source.
    pub source: String,
    /// Docora's id of it.
    pub repository_id: String,
    /// Its address.
    pub github_url: String,
    /// `pending`, `synced` or `sync_failed`.
    pub status: String,
    /// Since when it is registered, if it is.
    pub registered_at: Option<OffsetDateTime>,
    /// The id that took this one's place.
    pub replaced_by: Option<String>,
    /// When the newest file event was built.
    pub last_sync_at: Option<OffsetDateTime>,
    /// How many cards are available.
    pub cards_count: i64,
    /// How often the sender failed in a row.
    pub consecutive_failures: i64,
    /// For `sync_failed`: what git said, without credentials.
    pub error_message: Option<String>,
}

impl ApiUrl {
    /// The address itself.
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

/// What an event says that waits for its repository's registration.
pub(super) fn awaiting(repository_id: &str) -> String {
    format!("repository {repository_id} is not registered (run `sealpost docora register`)")
}

const SYNC_FAILED: &str = "sync_failed";

/// Tells that a repository cannot be read. `message` holds no credentials any more.
pub(super) async fn failed(
    tx: &mut Tx<'_>,
    repository: &RepositoryRow,
    message: &str,
) -> Result<(), StoreError> {
    let RepositoryRow { source, repository_id, owner, name, .. } = repository;
    tx.alert(&Alert {
        kind: SYNC_FAILED,
        key: repository_id,
        severity: Severity::Warning,
        source,
        text: &format!("{owner}/{name} cannot be read: {message}"),
        passing: false,
    })
    .await
}

/// Tells that a repository can be read again.
pub(super) async fn recovered(
    tx: &mut Tx<'_>,
    repository: &RepositoryRow,
) -> Result<(), StoreError> {
    let RepositoryRow { source, repository_id, owner, name, .. } = repository;
    let text = format!("{owner}/{name} recovered: files are arriving again");
    ended(tx, source, repository_id, &text).await
}

/// Tells, where a repository could not be read, why that is over.
pub(super) async fn ended(
    tx: &mut Tx<'_>,
    source: &str,
    repository_id: &str,
    text: &str,
) -> Result<(), StoreError> {
    let recovery = AlertResolution { kind: SYNC_FAILED, key: repository_id, source, text };
    tx.close_alert(&recovery).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_an_address_without_credentials() {
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
