use std::net::SocketAddr;
use std::time::Duration;

use crate::admin::IssuerError;
use crate::alerts::WebhookError;
use crate::destinations::DestinationError;
use crate::providers::{OptionsError, ServicesError};
use crate::vault::VaultError;
use crate::verify::{KeyError, WeakSecret};

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A source names a provider that is not in the catalogue.
    #[error("source `{source_name}`: unknown provider `{provider}` ({known})")]
    UnknownProvider { source_name: String, provider: String, known: String },
    /// The options of a source are invalid for its provider.
    #[error("source `{source_name}`: options: {error}")]
    Options { source_name: String, error: OptionsError },
    /// The secrets of a source are invalid.
    #[error("source `{source_name}`: secrets {error}")]
    Secrets { source_name: String, error: KeyError },
    /// The sender brings its secret, and no master key can seal it.
    #[error(
        "source `{source_name}`: its sender brings the secret in a handshake, and the gateway \
         stores it sealed: {error}"
    )]
    MasterKey { source_name: String, error: VaultError },
    /// Deduplication keys would expire while a request could still be replayed.
    #[error(
        "source `{source_name}`: keys.retention is {}, but a request to this source can be \
         replayed for {}: raise keys.retention to at least that",
        humantime::format_duration(*.retention), humantime::format_duration(*.needed)
    )]
    Retention { source_name: String, retention: Duration, needed: Duration },
    #[error("destination `{name}`: invalid configuration")]
    Destination {
        name: String,
        #[source]
        error: DestinationError,
    },
    #[error("destination `{name}`: invalid URL")]
    DestinationUrl {
        name: String,
        #[source]
        error: url::ParseError,
    },
    #[error("operator.oidc: invalid issuer")]
    Issuer(#[from] IssuerError),
    #[error("alerts.discord: the address {0}")]
    Channel(#[from] WebhookError),
    #[error(transparent)]
    Services(#[from] ServicesError),
    #[error("cannot generate a secret")]
    Decoy(#[source] WeakSecret),
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        error: std::io::Error,
    },
    #[error("cannot start the handlers' runtime")]
    Runtime(#[source] std::io::Error),
}
