//! The providers. Those with handlers have a folder each: event classification in `mod`, payload
//! types in `payload`, event processing in `handler`, database statements in `tables`. All others
//! are data: a file of `catalogue` each, which `data` runs.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::dispatch::{Handler, ProviderMaintenance};
use crate::near_names::near_titled;
use crate::objects::{Objects, ObjectsError, Place};
use crate::outbound::{Outbound, OutboundError, Policy};
use crate::provider_endpoint::{Described, ProviderEndpoint};
use crate::sender_client::SenderClient;
use crate::store::{DerivedRows, ExpectedTokens, ResponseLog};
use crate::verify::{EventMethod, Provider, Secret, TransferLimits, UnixSeconds, test_body};

pub mod apify;
pub mod bot;
pub mod built_in;
pub mod data;
pub mod docora;
pub mod stripe;

/// The providers with handlers of their own. The others are data.
pub static CATALOGUE: &[Entry] = &[apify::ENTRY, bot::ENTRY, docora::ENTRY, stripe::ENTRY];

pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.name == name).or_else(|| data::find(name))
}

/// All providers: those with handlers first, then by name.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().chain(data::entries())
}

/// What a wrong name may have meant, for messages.
pub fn similar(name: &str) -> String {
    let names = near_titled(name, all().map(|entry| (entry.name, entry.summary)));
    match names.as_slice() {
        [] => "`sealpost providers list` shows all".to_owned(),
        names => format!("similar: {}; `sealpost providers list` shows all", names.join(", ")),
    }
}

/// The maximum body size for providers that send small payloads.
const SMALL_BODY: usize = 2 * 1024 * 1024;
/// The maximum age of a signature for senders that sign when they send.
const FRESH: Duration = Duration::from_mins(5);

/// The rate limit of a source, and how long excess requests are delayed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The average rate.
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
    /// The longest delay: well below the sender's timeout if the sender takes a rejection for a
    /// failure, short if it just retries.
    pub patience: Duration,
}

impl Pace {
    /// For senders that retry for hours.
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

pub struct Entry {
    pub name: &'static str,
    pub summary: &'static str,
    /// The tables that its handlers write, which fixtures may query.
    pub tables: &'static [&'static str],
    /// The default maximum body size, in bytes.
    pub max_body: usize,
    /// The default maximum age of a signature.
    pub max_age: Duration,
    /// The prefix that all secrets of the sender have, if any.
    pub secret_prefix: Option<&'static str>,
    /// The default rate limit.
    pub pace: Pace,
    /// The payload bytes per chunk, if the provider splits large payloads.
    pub chunk: Option<u64>,
    /// The API for applications, if there is one.
    pub api: Option<fn() -> Described>,
    /// Erases what its handlers derive from events, if they derive anything.
    pub derived: Option<&'static dyn DerivedRows>,
    /// Builds the provider for one source.
    pub build: fn(&SourceSpec) -> Result<Built, OptionsError>,
    /// Signs as the sender does, for fixtures and tests. Returns all headers that the sender sends
    /// for this body, including the draft's own. None if the provider is data: its scheme signs.
    pub sign: Option<Sign>,
}

/// Makes the headers of a request as its sender would.
pub type Sign = fn(&Draft<'_>) -> Vec<(String, String)>;

/// A request to sign as its sender would.
pub struct Draft<'a> {
    /// The source's options.
    pub options: &'a toml::Table,
    pub secret: &'a Secret,
    pub token: Option<&'a Secret>,
    /// The signing time.
    pub at: UnixSeconds,
    /// Headers set by the fixture, such as `x-guild-id`; by lower-case name.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// What a provider that is data has to know about its source.
#[derive(Debug, Clone, Default)]
pub struct SourceScheme {
    /// The name of the provider.
    pub provider: String,
    /// The source's `[source.scheme]`.
    pub definition: Option<toml::Table>,
    /// The public URL of the source, if the gateway knows it.
    pub public_url: Option<Url>,
}

/// The source for which a provider is built.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    pub name: String,
    pub tenant: String,
    pub scheme: SourceScheme,
    /// The source's `[source.options]`.
    pub options: toml::Table,
    /// The source's resolved `token`, for providers that need one in addition to the secrets.
    pub token: Option<Secret>,
    /// The limits of a chunked transfer.
    pub transfer_limits: TransferLimits,
    pub services: Services,
}

/// The gateway's services for providers; shared by all sources.
#[derive(Debug, Clone)]
pub struct Services {
    /// The client for outbound requests.
    pub outbound: Outbound,
    /// The keys that senders publish, and the confirmation of subscriptions.
    pub sender_client: SenderClient,
    /// The store for content that is too large for a row.
    pub objects: Objects,
    /// The log of destination responses.
    pub answers: ResponseLog,
}

/// A provider built for one source.
pub struct Built {
    pub provider: Arc<dyn Provider>,
    pub handlers: Vec<Arc<dyn Handler>>,
    /// The runs or signals that the source still expects. It decides whether a request with an
    /// expired token is accepted, and housekeeping expires its entries.
    pub registry: Option<Arc<dyn ExpectedTokens>>,
    /// The API for applications, if there is one.
    pub api: Option<Arc<dyn ProviderEndpoint>>,
    /// Periodic maintenance, if there is any.
    pub maintenance: Option<Arc<dyn ProviderMaintenance>>,
    /// How long a request can be replayed, if longer than the signature window. Deduplication keys
    /// must be kept at least that long.
    pub memory: Duration,
    /// Warnings for the operator at startup, such as a mode with a weaker proof.
    pub warnings: Vec<String>,
}

/// Why the services cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
}

/// The options of a source are invalid.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(pub String);

impl Services {
    /// The services without configuration: only public addresses are reachable, and objects are
    /// kept in memory.
    pub fn bare() -> Result<Self, ServicesError> {
        let outbound = Outbound::new(&Policy::default())?;
        let sender_client = SenderClient::new(outbound.clone());
        let (objects, answers) = (Objects::at(&Place::Memory)?, ResponseLog::default());
        Ok(Self { outbound, sender_client, objects, answers })
    }
}

/// A request that is signed as its sender would sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub method: EventMethod,
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Signed {
    /// The path with the query of the request. One by GET has all of its content there.
    pub fn path(&self, path: &str) -> String {
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }
}

/// Why a request cannot be signed as its sender would.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error("only the sender can sign: it keeps the private key")]
    SenderOnly,
    #[error("{0}")]
    Impossible(String),
}

impl Entry {
    /// Signs a request as the sender would.
    ///
    /// # Errors
    /// [`SignError`], such as for senders with a private key.
    pub fn sign_request(
        &self,
        draft: &Draft<'_>,
        scheme: &SourceScheme,
    ) -> Result<Signed, SignError> {
        let Some(sign) = self.sign else { return data::sign(self.name, draft, scheme) };
        let headers = sign(draft);
        Ok(Signed {
            method: EventMethod::Post,
            query: None,
            headers,
            body: Bytes::copy_from_slice(draft.body),
        })
    }

    /// The body of a test event with a unique `id`, before it is signed. `options` are the
    /// source's.
    ///
    /// # Errors
    /// [`SignError`], such as for senders with a private key.
    pub fn test_body(
        &self,
        id: &str,
        options: &toml::Table,
        scheme: &SourceScheme,
    ) -> Result<Vec<u8>, SignError> {
        if self.is_data() {
            return data::test_body(self.name, options, scheme, id);
        }
        Ok(test_body(id))
    }

    fn is_data(&self) -> bool {
        self.sign.is_none()
    }

    /// Whether only the sender can sign, since it keeps the key to itself.
    pub fn is_sender_only(&self, scheme: &SourceScheme) -> bool {
        self.is_data() && data::is_sender_only(self.name, scheme)
    }

    /// Whether the sender requires a response of its own, so that ours does not say what happened.
    pub fn has_own_answer(&self, scheme: &SourceScheme) -> bool {
        self.is_data() && data::has_own_answer(self.name, scheme)
    }
}

impl SourceSpec {
    /// Parses the options as the provider's own type.
    ///
    /// # Errors
    /// [`OptionsError`] names the invalid key.
    pub fn options<T: serde::de::DeserializeOwned>(&self) -> Result<T, OptionsError> {
        self.options
            .clone()
            .try_into()
            .map_err(|error| OptionsError(error.to_string().trim().to_owned()))
    }
}
