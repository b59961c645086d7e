//! What a source of Apify's can be told.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{DISPATCH, ORIGIN, REFERER};
use crate::providers::OptionsError;

/// Where `mode = "token"` may look for the secret, each with what else is read then. The
/// header's whole value is the secret.
static SECRET_HEADERS: [[&str; 4]; 4] = [
    [DEFAULT_SECRET_HEADER, DISPATCH, ORIGIN, REFERER],
    ["x-webhook-secret", DISPATCH, ORIGIN, REFERER],
    ["x-webhook-token", DISPATCH, ORIGIN, REFERER],
    ["authorization", DISPATCH, ORIGIN, REFERER],
];
pub(super) const DEFAULT_SECRET_HEADER: &str = "x-apify-webhook-secret";

/// What the runs of a source are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Collecting metrics.
    Run,
    /// Checking that a profile belongs to who claims it.
    Verify,
}

/// What a source was told.
pub(super) struct Options {
    pub(super) purpose: Purpose,
    pub(super) mode: Mode,
    pub(super) allowed_origins: Vec<String>,
    /// For how many seconds a token counts by itself.
    pub(super) token_ttl: i64,
    /// For how long a run is awaited.
    pub(super) dispatch_ttl: time::Duration,
    /// For how long a run may be entered after its first webhook.
    pub(super) registration_grace: Duration,
    /// How many runs may be started for a guild on a day.
    pub(super) daily_budget: u32,
    /// For how long a code may be looked for.
    pub(super) code_ttl: time::Duration,
    /// Where Apify is.
    pub(super) api_url: Url,
    /// The most items of one run.
    pub(super) max_items: u64,
}

/// What proves a request.
pub(super) enum Mode {
    /// A token or a body signature, or both.
    Enforce,
    /// A shared secret in the first of these headers.
    Token(&'static [&'static str; 4]),
}

/// `[source.options]`, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    purpose: Purpose,
    #[serde(default)]
    mode: ModeName,
    token_header: Option<String>,
    #[serde(default = "default_origins")]
    allowed_origins: Vec<String>,
    /// In seconds.
    #[serde(default = "default_token_ttl")]
    token_ttl: u32,
    /// In seconds.
    #[serde(default = "default_dispatch_ttl")]
    dispatch_ttl: u32,
    /// In seconds.
    #[serde(default = "default_registration_grace")]
    registration_grace: u32,
    #[serde(default = "default_daily_budget")]
    daily_budget: u32,
    /// In seconds.
    code_ttl: Option<u32>,
    api_url: Option<String>,
    #[serde(default = "default_max_items")]
    max_items: u32,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    #[default]
    Enforce,
    Token,
}

fn default_origins() -> Vec<String> {
    vec!["api.apify.com".into(), "my.apify.com".into()]
}

fn default_token_ttl() -> u32 {
    3600
}

fn default_dispatch_ttl() -> u32 {
    86_400
}

fn default_registration_grace() -> u32 {
    600
}

fn default_daily_budget() -> u32 {
    100
}

fn default_max_items() -> u32 {
    10_000
}

impl Options {
    pub(super) fn read(options: &toml::Table) -> Result<Self, OptionsError> {
        let written: Written = options
            .clone()
            .try_into()
            .map_err(|error| OptionsError(error.to_string().trim().to_owned()))?;
        if written.token_ttl == 0 || written.dispatch_ttl < written.token_ttl {
            return Err(OptionsError(
                "`dispatch_ttl` must be at least `token_ttl`, above 0".into(),
            ));
        }
        if let Some(bad) = written.allowed_origins.iter().find(|origin| !is_host(origin)) {
            let what = "is not a lower-case host name";
            return Err(OptionsError(format!("`allowed_origins`: `{bad}` {what}")));
        }
        let code_ttl = written.code_ttl.unwrap_or(written.dispatch_ttl);
        if code_ttl == 0 || code_ttl > written.dispatch_ttl {
            return Err(OptionsError("`code_ttl` must be at most `dispatch_ttl`, above 0".into()));
        }
        if written.max_items == 0 {
            return Err(OptionsError("`max_items` must be at least 1".into()));
        }
        Ok(Self {
            api_url: api_url(written.api_url.as_deref())?,
            daily_budget: written.daily_budget,
            code_ttl: time::Duration::seconds(code_ttl.into()),
            max_items: written.max_items.into(),
            purpose: written.purpose,
            mode: mode(&written)?,
            allowed_origins: written.allowed_origins,
            token_ttl: written.token_ttl.into(),
            dispatch_ttl: time::Duration::seconds(written.dispatch_ttl.into()),
            registration_grace: Duration::from_secs(written.registration_grace.into()),
        })
    }
}

impl Purpose {
    /// The word in options and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Verify => "verify",
        }
    }

    /// The word in a token.
    pub fn claim(self) -> &'static str {
        match self {
            Self::Run => "apify.run",
            Self::Verify => "apify.verify",
        }
    }

    /// The purpose that a token's word means.
    pub fn of_claim(word: &str) -> Option<Self> {
        [Self::Run, Self::Verify].into_iter().find(|purpose| purpose.claim() == word)
    }
}

fn mode(written: &Written) -> Result<Mode, OptionsError> {
    match (&written.mode, &written.token_header) {
        (ModeName::Enforce, None) => Ok(Mode::Enforce),
        (ModeName::Enforce, Some(_)) => {
            Err(OptionsError("`token_header` goes with mode = \"token\" only".into()))
        }
        (ModeName::Token, name) => {
            let name = name.as_deref().unwrap_or(DEFAULT_SECRET_HEADER);
            let known = SECRET_HEADERS.iter().find(|[header, ..]| header == &name);
            known.map(Mode::Token).ok_or_else(|| {
                let names = SECRET_HEADERS.map(|[header, ..]| header).join("`, `");
                OptionsError(format!("`token_header` must be one of `{names}`"))
            })
        }
    }
}

/// Where Apify is; the path may lead to a relay of one's own.
fn api_url(text: Option<&str>) -> Result<Url, OptionsError> {
    let wrong = |why: &str| OptionsError(format!("`api_url` {why}"));
    let url = Url::parse(text.unwrap_or("https://api.apify.com"))
        .map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    let bare = url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    match (url.scheme(), bare && nobody && url.has_host()) {
        ("https" | "http", true) => Ok(url),
        _ => Err(wrong("must be an http or https URL without query, fragment and credentials")),
    }
}

fn is_host(text: &str) -> bool {
    url::Host::parse(text).is_ok_and(|host| host.to_string() == text)
}
