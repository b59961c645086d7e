//! What a source of Apify's can be told.

use std::time::Duration;

use serde::Deserialize;

use super::{DISPATCH, ORIGIN, REFERER};
use crate::providers::{OptionsError, SourceSpec};

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

impl Options {
    pub(super) fn read(spec: &SourceSpec) -> Result<Self, OptionsError> {
        let written: Written = spec.options()?;
        if written.token_ttl == 0 || written.dispatch_ttl < written.token_ttl {
            return Err(OptionsError(
                "`dispatch_ttl` must be at least `token_ttl`, above 0".into(),
            ));
        }
        if let Some(bad) = written.allowed_origins.iter().find(|origin| !is_host(origin)) {
            let what = "is not a lower-case host name";
            return Err(OptionsError(format!("`allowed_origins`: `{bad}` {what}")));
        }
        Ok(Self {
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

fn is_host(text: &str) -> bool {
    url::Host::parse(text).is_ok_and(|host| host.to_string() == text)
}
