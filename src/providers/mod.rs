//! The providers: one folder each. How it signs and how it names its events (`mod`), what its
//! payloads look like (`payload`), what is done about them (`handler`), and what is written
//! (`tables`).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::{Handler, ProviderMaintenance};
use crate::objects::{Objects, ObjectsError, Place};
use crate::outbound::{Outbound, OutboundError, Policy};
use crate::provider_endpoint::{Described, ProviderEndpoint};
use crate::store::{ExpectedTokens, ResponseLog};
use crate::verify::{Provider, Secret, TransferLimits, UnixSeconds};

pub mod apify;
pub mod bot;
pub mod docora;
pub mod stripe;

/// Every provider.
pub static CATALOGUE: &[Entry] = &[apify::ENTRY, bot::ENTRY, docora::ENTRY, stripe::ENTRY];

/// The provider of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.name == name)
}

/// Every provider's name, for users.
pub fn names() -> String {
    CATALOGUE.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

/// The largest body of providers that send small ones.
const SMALL_BODY: usize = 2 * 1024 * 1024;
/// How old a signature may be for senders that sign when they send.
const FRESH: Duration = Duration::from_mins(5);

/// How many requests a sender may send, and how long those beyond it wait for their turn.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// On average.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
    /// The longest wait. Well within the time after which the sender gives up, where a refusal is
    /// a failure to it; short where it just comes again.
    pub patience: Duration,
}

impl Pace {
    /// For senders that come again after a refusal, for hours and longer.
    const PATIENT_SENDER: Self = Self::of(100, 1_000, Duration::from_secs(2));

    const fn of(per_second: u32, burst: u32, patience: Duration) -> Self {
        let one = NonZeroU32::MIN;
        Self {
            per_second: one.saturating_add(per_second.saturating_sub(1)),
            burst: one.saturating_add(burst.saturating_sub(1)),
            patience,
        }
    }
}

/// One provider.
pub struct Entry {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// The tables that its handlers write: what a fixture may look into.
    pub tables: &'static [&'static str],
    /// The largest body, in bytes, where the source does not say otherwise.
    pub max_body: usize,
    /// How old a signature may be, where the source does not say otherwise.
    pub max_age: Duration,
    /// How every secret of the sender's begins, where they all begin alike.
    pub secret_prefix: Option<&'static str>,
    /// How many requests a source may send, where it does not say otherwise.
    pub pace: Pace,
    /// How many bytes of a payload one chunk brings, where large payloads come in chunks.
    pub chunk: Option<u64>,
    /// What it answers to applications, where it answers anything.
    pub api: Option<fn() -> Described>,
    /// Makes it for one source.
    pub build: fn(&SourceSpec) -> Result<Built, OptionsError>,
    /// Signs as the sender does, for fixtures and tests: gives every header that the sender sends
    /// for this body, the draft's own included.
    pub sign: fn(&Draft<'_>) -> Vec<(String, String)>,
}

/// A request that is about to be signed as its sender would.
pub struct Draft<'a> {
    /// The source's options, in the provider's own words.
    pub options: &'a toml::Table,
    /// The source's secret.
    pub secret: &'a Secret,
    /// The source's `token`, where it has one.
    pub token: Option<&'a Secret>,
    /// The time of signing.
    pub at: UnixSeconds,
    /// Headers that the fixture sets itself, such as `x-guild-id`; by lower-case name.
    pub headers: &'a [(String, String)],
    /// The exact body.
    pub body: &'a [u8],
}

/// What a provider is told about the source that it is made for.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// The source's name.
    pub name: String,
    /// To whom it belongs.
    pub tenant: String,
    /// The source's `[source.options]`, in the provider's own words.
    pub options: toml::Table,
    /// The source's `token`, resolved, for providers that want one beside the secrets.
    pub token: Option<Secret>,
    /// What a transfer in chunks may cost.
    pub transfer_limits: TransferLimits,
    /// What the gateway lends to it.
    pub services: Services,
}

/// What the gateway lends to providers; the same for every source.
#[derive(Debug, Clone)]
pub struct Services {
    /// The way out.
    pub outbound: Outbound,
    /// Where to keep what is too large for a row.
    pub objects: Objects,
    /// Where what destinations answer is noted.
    pub answers: ResponseLog,
}

/// A provider made for one source.
pub struct Built {
    /// How it lets requests in and names them.
    pub provider: Arc<dyn Provider>,
    /// What is done about its events.
    pub handlers: Vec<Arc<dyn Handler>>,
    /// What it still awaits, for senders whose tokens may come past their time. Asked before such
    /// a request is accepted, and expired by housekeeping.
    pub registry: Option<Arc<dyn ExpectedTokens>>,
    /// What applications may ask of it.
    pub api: Option<Arc<dyn ProviderEndpoint>>,
    /// What it does besides, now and then.
    pub maintenance: Option<Arc<dyn ProviderMaintenance>>,
    /// For how long a request may be good that was seen before, where that is longer than a
    /// signature is fresh: for so long at least what was seen has to be remembered.
    pub memory: Duration,
    /// What the operator should know at start, such as a mode that proves less.
    pub warnings: Vec<String>,
}

/// Why there is nothing to lend.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// The client for requests of our own cannot be made.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Objects cannot be kept.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
}

/// The options of a source are not what its provider takes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(pub String);

impl Services {
    /// With nothing configured: only public addresses are reached, and objects are kept until the
    /// process ends.
    ///
    /// # Errors
    /// [`ServicesError`].
    pub fn bare() -> Result<Self, ServicesError> {
        let outbound = Outbound::new(&Policy::default())?;
        let (objects, answers) = (Objects::at(&Place::Memory)?, ResponseLog::default());
        Ok(Self { outbound, objects, answers })
    }
}

impl SourceSpec {
    /// Reads the options as the provider's own type.
    ///
    /// # Errors
    /// [`OptionsError`] names the key that is not right.
    pub fn options<T: serde::de::DeserializeOwned>(&self) -> Result<T, OptionsError> {
        self.options
            .clone()
            .try_into()
            .map_err(|error| OptionsError(error.to_string().trim().to_owned()))
    }
}
