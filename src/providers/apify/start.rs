//! Starting a run: what the application does before it calls Apify; at a source with
//! `mode = "token"` right afterwards, since there Apify's id of the run is all that tells runs
//! apart. Runs that a schedule has started are entered in the same way.
//!
//! The run is entered in the register, counted against the guild's budget of the day, and given
//! its token, all in one transaction: a run beyond the budget leaves no trace. The budget is the
//! source's; a day is one of UTC. A call with an idempotency key gives the same run, with the
//! same token, as often as it is repeated, and counts once.

use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Purpose;
use super::options::{Mode, Options};
pub use super::request::Request;
use super::tables::{Budget, Details, Entered, NewRun, enter, spend};
use super::token::{Claims, mint};
use crate::providers::OptionsError;
use crate::store::{Store, StoreError};
use crate::verify::Secret;

/// The header that carries the token.
const HEADER: &str = "X-Webhook-Signed-Payload";

/// What the run is started with.
#[derive(Clone, Copy)]
pub struct With<'w> {
    /// The database.
    pub store: &'w Store,
    /// The secret that signs the token.
    pub secret: &'w Secret,
    /// The time.
    pub now: OffsetDateTime,
    /// An idempotency key and the SHA-256 of its call's body.
    pub key: Option<(&'w str, [u8; 32])>,
}

/// A run that may be started at Apify now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The application's own id of it.
    pub run_key: Uuid,
    /// Its token; `None` where the source reads none.
    pub token: Option<String>,
    /// Of a verification: what must stand in the profile.
    pub code: Option<String>,
    /// How it came to be registered.
    pub how: How,
}

/// A run that may be started at Apify now, as it is printed and answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Document<'a> {
    /// The application's own id of it.
    run_key: Uuid,
    /// The source at which its webhooks will arrive.
    source: &'a str,
    /// What its source is for: `run` or `verify`.
    purpose: &'static str,
    /// False where it was registered under this run key before.
    registered: bool,
    /// Its token; not there where the source has `mode = "token"`, which reads none.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    /// What its webhook takes as `headersTemplate`: a text that is JSON. It is there with the token.
    #[serde(rename = "headersTemplate", skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// Of a verification: what must stand in the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// How a run came to be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By this call.
    New,
    /// By a call with the same idempotency key.
    RetryUntil,
    /// It was, under this run key; it has one more token now.
    Known,
}

/// Why a run may not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The request is not one.
    #[error("{0}")]
    Invalid(&'static str),
    /// Its key, or its id at Apify, belongs to another run.
    #[error("the run key or the actor run id belongs to another run")]
    Taken,
    /// The idempotency key was used with another body.
    #[error("the idempotency key was already used with a different body")]
    KeyReused,
    /// As many runs as are allowed were started for the guild today.
    #[error("the guild's budget of {limit} runs per day is exhausted until {resets_at}")]
    Spent {
        /// The budget.
        limit: u32,
        /// The next midnight, UTC.
        resets_at: OffsetDateTime,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts runs of one source.
#[derive(Debug, Clone)]
pub struct Starter {
    source: String,
    purpose: Purpose,
    daily_budget: u32,
    code_ttl: Duration,
    /// Whether the source reads tokens. Where it does not, a webhook is matched by Apify's id of
    /// the run alone.
    mints: bool,
}

impl Starter {
    /// For a source with these options.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn new(source: &str, options: &toml::Table) -> Result<Self, OptionsError> {
        Ok(Self::of(source, &Options::read(options)?))
    }

    pub(super) fn of(source: &str, options: &Options) -> Self {
        Self {
            source: source.to_owned(),
            purpose: options.purpose,
            daily_budget: options.daily_budget,
            code_ttl: options.code_ttl,
            mints: matches!(options.mode, Mode::Enforce),
        }
    }

    /// What its runs are for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The name of its source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The token of these claims, where the source reads tokens.
    fn token(&self, secret: &Secret, claims: &Claims) -> Option<String> {
        self.mints.then(|| mint(secret, claims))
    }

    /// Enters a run, counts it, and mints its token where the source reads tokens.
    ///
    /// # Errors
    /// A [`StartError`]; nothing is entered or counted then, unless the commit's fate is unknown.
    pub async fn start(&self, with: With<'_>, request: &Request) -> Result<Started, StartError> {
        if !self.mints && request.actor_run_id.is_none() {
            return Err(StartError::Invalid(
                "the source has mode = \"token\" and matches webhooks by Apify's run id: \
                 `actor_run_id` is required",
            ));
        }
        let run_key = request.run_key.unwrap_or_else(Uuid::new_v4);
        let purpose = self.purpose;
        let claims = request.claims(purpose, run_key, with.now).map_err(StartError::Invalid)?;
        let expires_at = with.now + self.code_ttl;
        let sought = request.sought(purpose, expires_at).map_err(StartError::Invalid)?;
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
            sought,
            claims: Some(json),
            request: with.key,
        };
        let mut tx = with.store.begin().await?;
        match enter(&mut tx, &run, &details).await? {
            Entered::New => {
                let day = with.now.date();
                if spend(&mut tx, &run, day, self.daily_budget).await? == Budget::Spent {
                    // Dropped, the transaction takes the run back.
                    let resets_at = day.next_day().unwrap_or(day).midnight().assume_utc();
                    return Err(StartError::Spent { limit: self.daily_budget, resets_at });
                }
                let started = Started {
                    run_key,
                    token: self.token(with.secret, &claims),
                    code: details.sought.map(|sought| sought.code),
                    how: How::New,
                };
                Ok(tx.commit(started).await?.into_inner())
            }
            Entered::RetryUntil { run_key, claims, code } => {
                let claims = Claims::read(claims.as_bytes()).ok_or(StoreError::Inconsistent {
                    table: "apify_runs",
                    column: "claims",
                    row: run_key.to_string(),
                })?;
                let token = self.token(with.secret, &claims);
                Ok(Started { run_key, token, code, how: How::RetryUntil })
            }
            Entered::Known { code } => {
                let token = self.token(with.secret, &claims);
                Ok(Started { run_key, token, code, how: How::Known })
            }
            Entered::Taken => Err(StartError::Taken),
            Entered::KeyReused => Err(StartError::KeyReused),
        }
    }
}

impl Started {
    /// As it is printed and answered.
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
