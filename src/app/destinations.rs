//! The configured destinations, as handlers and as targets of test events.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::BuildError;
use crate::admin::SendTest;
use crate::clock::SharedClock;
use crate::config::{Config, DestinationConfig, DestinationEntry, HeaderPrefix, SignForm};
use crate::destinations::{Destination, Prefix, Sign, Spec};
use crate::dispatch::Handler;
use crate::providers::Services;
use crate::store::RecordedResponse;
use crate::verify::Provider;

/// A destination, and its entry in the file.
pub(super) type Destined<'c> = (&'c DestinationEntry, Destination);

pub(super) fn destinations<'c>(
    config: &'c Config,
    services: &Services,
) -> Result<Vec<Destined<'c>>, BuildError> {
    let named = |one: &'c DestinationConfig| Ok((&one.entry, destination(one, services)?));
    config.destinations.iter().map(named).collect()
}

pub(super) fn destination(
    config: &DestinationConfig,
    services: &Services,
) -> Result<Destination, BuildError> {
    let DestinationConfig { entry, secret, token } = config;
    let name = || entry.name.clone();
    let sign = match (entry.sign, &entry.service) {
        (SignForm::Bot, Some(service)) => Sign::Bot { service: service.clone() },
        _ => Sign::Standard { prefix: prefix(entry.header_prefix) },
    };
    let spec = Spec {
        name: name(),
        url: Url::parse(&entry.url)
            .map_err(|error| BuildError::DestinationUrl { name: name(), error })?,
        types: entry.types.clone(),
        filter: entry.filter.clone(),
        sign,
        secret: secret.clone(),
        token: token.clone(),
        timeout: entry.timeout,
        concurrency: entry.concurrency,
        rate: entry.rate,
        headers: entry.headers.clone().into_iter().collect(),
        provider_headers: entry.provider_headers,
        answers: services.answers.clone(),
    };
    Destination::new(spec, &services.outbound)
        .map_err(|error| BuildError::Destination { name: name(), error })
}

fn prefix(configured: HeaderPrefix) -> Prefix {
    match configured {
        HeaderPrefix::Webhook => Prefix::Webhook,
        HeaderPrefix::Svix => Prefix::Svix,
    }
}

/// Sends test events to the configured destinations.
pub(super) struct Testers {
    destinations: Vec<(String, Destination)>,
    clock: SharedClock,
}

impl Testers {
    pub(super) fn build(destinations: &[Destined<'_>], clock: &SharedClock) -> Arc<dyn SendTest> {
        let named = |(entry, one): &Destined<'_>| (entry.name.clone(), one.clone());
        let destinations = destinations.iter().map(named).collect();
        Arc::new(Self { destinations, clock: Arc::clone(clock) })
    }
}

#[async_trait]
impl SendTest for Testers {
    async fn send_test(&self, name: &str) -> Option<RecordedResponse> {
        let (_, destination) = self.destinations.iter().find(|(known, _)| known == name)?;
        Some(destination.send_test(self.clock.now()).await)
    }
}

/// The destinations of a source, as its handlers.
pub(super) fn handlers_to(
    destinations: &[Destined<'_>],
    source: &str,
    provider: &Arc<dyn Provider>,
) -> Vec<Arc<dyn Handler>> {
    let from = destinations.iter().filter(|(entry, _)| entry.takes_from(source));
    from.map(|(_, destination)| destination.handler(Arc::clone(provider))).collect()
}
