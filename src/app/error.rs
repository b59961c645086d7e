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
    #[error("source `{source_name}`: unknown provider `{provider}`; expected one of {known}")]
    UnknownProvider {
        /// The source.
        source_name: String,
        /// The unknown name.
        provider: String,
        /// The known names.
        known: String,
    },
    /// The options of a source are invalid for its provider.
    #[error("source `{source_name}`: options: {error}")]
    Options {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: OptionsError,
    },
    /// The secrets of a source are invalid.
    #[error("source `{source_name}`: secrets {error}")]
    Secrets {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: WeakSecret,
    },
    /// Deduplication keys would expire while a request could still be replayed.
    #[error(
        "source `{source_name}`: keys.retention is {}, but a request to this source can be \
         replayed for {}: raise keys.retention to at least that",
        humantime::format_duration(*.retention), humantime::format_duration(*.needed)
    )]
    Retention {
        /// The source.
        source_name: String,
        /// How long deduplication keys are kept.
        retention: Duration,
        /// How long they must be kept.
        needed: Duration,
    },
    /// Invalid destination.
    #[error("destination `{name}`: invalid configuration")]
    Destination {
        /// The destination.
        name: String,
        /// What is wrong.
        #[source]
        error: DestinationError,
    },
    /// Invalid URL of a destination.
    #[error("destination `{name}`: invalid URL")]
    DestinationUrl {
        /// The destination.
        name: String,
        /// What is wrong.
        #[source]
        error: url::ParseError,
    },
    /// Invalid single sign-on issuer.
    #[error("operator.oidc: invalid issuer")]
    Issuer(#[from] IssuerError),
    /// Invalid alert channel.
    #[error("alerts.discord: the address {0}")]
    Channel(#[from] WebhookError),
    /// The services of providers cannot be created.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// The decoy for unknown sources cannot be created.
    #[error("cannot generate a secret")]
    Decoy(#[source] WeakSecret),
    /// Cannot listen on an address.
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
