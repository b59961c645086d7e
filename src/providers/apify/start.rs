//! Starting a run. The application calls this before it calls Apify; at a source with `mode =
//! "token"` right afterwards, since there only Apify's run id distinguishes runs. Scheduled runs
//! are registered in the same way.
//!
//! The run is registered, counted against the guild's daily budget and given its token in one
//! transaction: a run beyond the budget leaves no trace. The budget is per source, a day is a UTC
//! day. A repeated call with the same idempotency key returns the same run with the same token, and
//! counts once.

use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Purpose;
use super::options::{Mode, Options};
pub use super::request::Request;
use super::tables::{Budget, Details, Insertion, NewRun, count_run, insert_run};
use super::token::{Claims, mint};
use crate::providers::OptionsError;
use crate::store::{Store, StoreError};
use crate::verify::Secret;

/// The header that contains the token.
const HEADER: &str = "X-Webhook-Signed-Payload";

/// The context of a start.
#[derive(Clone, Copy)]
pub struct With<'w> {
    pub store: &'w Store,
    pub secret: &'w Secret,
    pub now: OffsetDateTime,
    /// The idempotency key, with the SHA-256 of the call's body.
    pub key: Option<(&'w str, [u8; 32])>,
}

/// A run that may now be started at Apify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The application's id of the run.
    pub run_key: Uuid,
    /// Its token; `None` if the source reads none.
    pub token: Option<String>,
    /// For a verification: the code that must be in the profile.
    pub code: Option<String>,
    /// How it was registered.
    pub how: How,
}

/// A registered run, ready to be started at Apify.
#[derive(Serialize, ToSchema)]
pub(super) struct Document<'a> {
    /// The application's own id of it.
    run_key: Uuid,
    /// The source that receives its webhooks.
    source: &'a str,
    /// What its source is for: `run` or `verify`.
    purpose: &'static str,
    /// False where it was registered under this run key before.
    registered: bool,
    /// Its token; absent if the source has `mode = "token"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    /// The `headersTemplate` of its webhook: JSON as text. Present if there is a token.
    #[serde(rename = "headersTemplate", skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// For a verification: the code that must appear in the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// How a run was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    New,
    /// By an earlier call with the same idempotency key.
    Repeated,
    /// It already was, under this run key; it now has an additional token.
    Known,
}

/// Why a run may not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Invalid(&'static str),
    /// The run key, or Apify's run id, belongs to another run.
    #[error("the run key or the actor run id belongs to another run")]
    Taken,
    /// The idempotency key was used with another body.
    #[error("the idempotency key was already used with a different body")]
    KeyReused,
    /// The guild's daily budget is exhausted.
    #[error("the guild's budget of {limit} runs per day is exhausted until {resets_at}")]
    Spent {
        limit: u32,
        /// The next midnight, UTC.
        resets_at: OffsetDateTime,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts the runs of one source.
#[derive(Debug, Clone)]
pub struct Starter {
    source: String,
    purpose: Purpose,
    daily_budget: u32,
    code_ttl: Duration,
    /// Whether the source reads tokens. If it does not, webhooks are matched by Apify's run id
    /// alone.
    issues_tokens: bool,
}

impl Starter {
    /// Creates a starter from a source's options.
    pub fn new(source: &str, options: &toml::Table) -> Result<Self, OptionsError> {
        Ok(Self::of(source, &Options::read(options)?))
    }

    pub(super) fn of(source: &str, options: &Options) -> Self {
        Self {
            source: source.to_owned(),
            purpose: options.purpose,
            daily_budget: options.daily_budget,
            code_ttl: options.code_ttl,
            issues_tokens: matches!(options.mode, Mode::Enforce),
        }
    }

    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The token of these claims, if the source reads tokens.
    fn token(&self, secret: &Secret, claims: &Claims) -> Option<String> {
        self.issues_tokens.then(|| mint(secret, claims))
    }

    /// Registers a run, counts it, and issues its token if the source reads tokens.
    ///
    /// # Errors
    /// A [`StartError`]; nothing is registered or counted then, unless the commit's outcome is
    /// unknown.
    pub async fn start(&self, with: With<'_>, request: &Request) -> Result<Started, StartError> {
        if !self.issues_tokens && request.actor_run_id.is_none() {
            return Err(StartError::Invalid(
                "the source has mode = \"token\" and matches webhooks by Apify's run id: \
                 `actor_run_id` is required",
            ));
        }
        let run_key = request.run_key.unwrap_or_else(Uuid::new_v4);
        let purpose = self.purpose;
        let claims = request.claims(purpose, run_key, with.now).map_err(StartError::Invalid)?;
        let expires_at = with.now + self.code_ttl;
        let verification =
            request.verification(purpose, expires_at).map_err(StartError::Invalid)?;
        let posts = request.posts(purpose).map_err(StartError::Invalid)?;
        let run = NewRun {
            source: self.source.clone(),
            run_key,
            purpose,
            guild_id: request.guild_id.clone(),
            actor_id: request.actor_id.clone(),
            actor_run_id: request.actor_run_id.clone(),
            initiated_at: with.now,
        };
        let json = serde_json::to_string(&claims).unwrap_or_default();
        let details = Details {
            platform: request.platform,
            posts,
            verification,
            claims: Some(json),
            request: with.key,
        };
        let mut tx = with.store.begin().await?;
        match insert_run(&mut tx, &run, &details).await? {
            Insertion::New => {
                let day = with.now.date();
                if count_run(&mut tx, &run, day, self.daily_budget).await? == Budget::Spent {
                    // Dropping the transaction undoes the registration.
                    let resets_at = day.next_day().unwrap_or(day).midnight().assume_utc();
                    return Err(StartError::Spent { limit: self.daily_budget, resets_at });
                }
                let started = Started {
                    run_key,
                    token: self.token(with.secret, &claims),
                    code: details.verification.map(|verification| verification.code),
                    how: How::New,
                };
                Ok(tx.commit(started).await?.into_inner())
            }
            Insertion::Repeated { run_key, claims, code } => {
                let claims = Claims::read(claims.as_bytes()).ok_or(StoreError::Inconsistent {
                    table: "apify_runs",
                    column: "claims",
                    row: run_key.to_string(),
                })?;
                let token = self.token(with.secret, &claims);
                Ok(Started { run_key, token, code, how: How::Repeated })
            }
            Insertion::Known { code } => {
                let token = self.token(with.secret, &claims);
                Ok(Started { run_key, token, code, how: How::Known })
            }
            Insertion::Taken => Err(StartError::Taken),
            Insertion::KeyReused => Err(StartError::KeyReused),
        }
    }
}

impl Started {
    /// The run as it is printed and returned.
    pub fn json(&self, starter: &Starter) -> serde_json::Value {
        let document = Document {
            run_key: self.run_key,
            source: starter.source(),
            purpose: starter.purpose().as_str(),
            registered: self.how != How::Known,
            token: self.token.as_deref(),
            template: self
                .token
                .as_ref()
                .map(|token| serde_json::json!({ HEADER: token }).to_string()),
            code: self.code.as_deref(),
        };
        serde_json::to_value(document).unwrap_or_default()
    }
}
