//! Why a gateway cannot be built.

use std::net::SocketAddr;
use std::time::Duration;

use crate::admin::IssuerError;
use crate::alerts::WebhookError;
use crate::destinations::DestinationError;
use crate::providers::{OptionsError, ServicesError};
use crate::verify::WeakSecret;

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A source names a provider that is not in the catalogue.
    #[error("source `{source_name}`: there is no provider `{provider}`; there are {known}")]
    UnknownProvider {
        /// The source.
        source_name: String,
        /// What it names.
        provider: String,
        /// What there is.
        known: String,
    },
    /// The options of a source are not what its provider takes.
    #[error("source `{source_name}`: options: {error}")]
    Options {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: OptionsError,
    },
    /// The secrets of a source cannot be used.
    #[error("source `{source_name}`: secrets {error}")]
    Secrets {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: WeakSecret,
    },
    /// What was seen is forgotten while it could still be repeated.
    #[error(
        "source `{source_name}`: keys.retention is {}, and what this source lets in can be \
         repeated for {}: raise keys.retention to at least that",
        humantime::format_duration(*.retention), humantime::format_duration(*.needed)
    )]
    Retention {
        /// The source.
        source_name: String,
        /// For how long it is remembered what was seen.
        retention: Duration,
        /// For how long it has to be.
        needed: Duration,
    },
    /// There cannot be such a destination.
    #[error("destination `{name}` cannot be used")]
    Destination {
        /// The destination.
        name: String,
        /// What is wrong.
        #[source]
        error: DestinationError,
    },
    /// The URL of a destination is none.
    #[error("destination `{name}`: its URL is none")]
    DestinationUrl {
        /// The destination.
        name: String,
        /// What is wrong.
        #[source]
        error: url::ParseError,
    },
    /// There cannot be such an issuer.
    #[error("operator.oidc: the issuer cannot be used")]
    Issuer(#[from] IssuerError),
    /// There cannot be such a channel for alerts.
    #[error("alerts.discord: the address {0}")]
    Channel(#[from] WebhookError),
    /// What is lent to providers cannot be made.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// No stand-in for unknown sources could be made.
    #[error("cannot make up a secret")]
    Decoy(#[source] WeakSecret),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The handlers' runtime cannot be started.
    #[error("cannot start the handlers' runtime")]
    Runtime(#[source] std::io::Error),
}
