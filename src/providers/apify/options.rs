//! The options of an Apify source.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{DISPATCH, ORIGIN, REFERER};
use crate::providers::OptionsError;

/// The headers that may contain the secret with `mode = "token"`, each with the other headers that
/// are then read. The whole value is the secret.
static SECRET_HEADERS: [[&str; 4]; 4] = [
    [DEFAULT_SECRET_HEADER, DISPATCH, ORIGIN, REFERER],
    ["x-webhook-secret", DISPATCH, ORIGIN, REFERER],
    ["x-webhook-token", DISPATCH, ORIGIN, REFERER],
    ["authorization", DISPATCH, ORIGIN, REFERER],
];
pub(super) const DEFAULT_SECRET_HEADER: &str = "x-apify-webhook-secret";

/// The maximum lifetime of a token, in seconds: deduplication keys must be kept this long.
const MAX_TTL: u32 = 30 * 86_400;

/// The purpose of a source's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    Run,
    /// Verifying that a profile belongs to the person who claims it.
    Verify,
}

/// The validated options of a source.
pub(super) struct Options {
    pub(super) purpose: Purpose,
    pub(super) mode: Mode,
    pub(super) allowed_origins: Vec<String>,
    /// How long a token is valid by itself, in seconds.
    pub(super) token_ttl: i64,
    /// How long a run is expected.
    pub(super) dispatch_ttl: time::Duration,
    /// How long after its first webhook a run may be registered.
    pub(super) registration_grace: Duration,
    /// The maximum number of runs started per guild and day.
    pub(super) daily_budget: u32,
    /// How long a verification code is valid.
    pub(super) code_ttl: time::Duration,
    pub(super) api_url: Url,
    /// The maximum number of items per run.
    pub(super) max_items: u64,
}

/// The proof that a request needs.
pub(super) enum Mode {
    /// A token or a body signature, or both.
    Enforce,
    Token(SharedSecret),
}

/// The location of a shared secret.
pub(super) struct SharedSecret {
    /// The first of these headers contains it; all of them are read.
    pub(super) headers: &'static [&'static str; 4],
    /// The query parameter that may contain it instead.
    pub(super) query: Option<String>,
}

impl SharedSecret {
    pub(super) fn header(&self) -> &'static str {
        let [header, ..] = self.headers;
        header
    }
}

/// `[source.options]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    purpose: Purpose,
    #[serde(default)]
    mode: ModeName,
    token_header: Option<String>,
    token_query: Option<String>,
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
        if written.token_ttl > MAX_TTL || written.dispatch_ttl > MAX_TTL {
            return Err(OptionsError(
                "`token_ttl` and `dispatch_ttl` must be at most 30 days".into(),
            ));
        }
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

impl Options {
    /// How long a request can be replayed: a token as long as its run is expected; a shared secret
    /// forever, so that deduplication is the only protection.
    pub(super) fn memory(&self) -> Duration {
        match self.mode {
            Mode::Enforce => {
                let awaited = self.dispatch_ttl.whole_seconds().max(self.token_ttl);
                Duration::from_secs(awaited.unsigned_abs() + super::MAX_FUTURE.unsigned_abs())
            }
            Mode::Token(_) => Duration::from_hours(30 * 24),
        }
    }
}

impl Purpose {
    /// The name in options and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Verify => "verify",
        }
    }

    /// The name in a token.
    pub fn claim(self) -> &'static str {
        match self {
            Self::Run => "apify.run",
            Self::Verify => "apify.verify",
        }
    }

    pub fn of_claim(word: &str) -> Option<Self> {
        [Self::Run, Self::Verify].into_iter().find(|purpose| purpose.claim() == word)
    }
}

fn mode(written: &Written) -> Result<Mode, OptionsError> {
    if written.mode == ModeName::Enforce {
        let others =
            [("token_header", &written.token_header), ("token_query", &written.token_query)];
        return match others.into_iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(OptionsError(format!("`{name}` requires mode = \"token\""))),
            None => Ok(Mode::Enforce),
        };
    }
    let name = written.token_header.as_deref().unwrap_or(DEFAULT_SECRET_HEADER);
    let known = SECRET_HEADERS.iter().find(|[header, ..]| header == &name);
    let headers = known.ok_or_else(|| {
        let names = SECRET_HEADERS.map(|[header, ..]| header).join("`, `");
        OptionsError(format!("`token_header` must be one of `{names}`"))
    })?;
    if !written.token_query.as_deref().is_none_or(is_parameter) {
        return Err(OptionsError(
            "`token_query` must be the name of a parameter: 1 to 64 letters, digits, `-`, `_` and \
             `.`"
            .into(),
        ));
    }
    Ok(Mode::Token(SharedSecret { headers, query: written.token_query.clone() }))
}

fn is_parameter(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// The URL of Apify's API; its path may lead to a relay.
fn api_url(text: Option<&str>) -> Result<Url, OptionsError> {
    let wrong = |why: &str| OptionsError(format!("`api_url` {why}"));
    let url = Url::parse(text.unwrap_or("https://api.apify.com"))
        .map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    let bare = url.query().is_none() && url.fragment().is_none();
    let no_credentials = url.username().is_empty() && url.password().is_none();
    match (url.scheme(), bare && no_credentials && url.has_host()) {
        ("https" | "http", true) => Ok(url),
        _ => Err(wrong("must be an http or https URL without query, fragment and credentials")),
    }
}

fn is_host(text: &str) -> bool {
    url::Host::parse(text).is_ok_and(|host| host.to_string() == text)
}
