//! Starting a run: what the application does before it calls Apify.
//!
//! The run is entered in the register, counted against the guild's budget of the day, and given
//! its token, all in one transaction: a run beyond the budget leaves no trace. The budget is the
//! source's; a day is one of UTC. A call with an idempotency key gives the same run, with the
//! same token, as often as it is repeated, and counts once.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::options::{Mode, Options};
use super::tables::{Budget, Details, Entered, NewRun, Sought, enter, spend};
use super::token::{Claims, mint};
use super::{Platform, Purpose};
use crate::gate::Secret;
use crate::providers::OptionsError;
use crate::store::{Store, StoreError};

/// The most posts that one run may be started for.
const MAX_POSTS: usize = 1000;
/// The longest name of a post, a handle or an actor, in characters.
const MAX_NAME: usize = 200;
/// The characters of a code that is made up: none is mistaken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The source at which the run's webhooks will arrive; read before it comes here.
    pub source: Option<String>,
    /// The Discord guild that the run is started for.
    pub guild_id: String,
    /// The application's own id of the run; by default a new one.
    pub run_key: Option<Uuid>,
    /// The actor, as its id or its name.
    pub actor_id: Option<String>,
    /// Apify's id of the run, where it is known already.
    pub actor_run_id: Option<String>,
    /// The platform that it looks at.
    pub platform: Option<Platform>,
    /// Of a run that collects: the posts that it is started for, as the application names them.
    #[serde(default)]
    pub posts: Vec<String>,
    /// Of a verification: the account's name.
    pub handle: Option<String>,
    /// Of a verification: what must stand in the profile; by default made up.
    pub code: Option<String>,
}

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
    /// Its token.
    pub token: String,
    /// Of a verification: what must stand in the profile.
    pub code: Option<String>,
    /// How it came to be registered.
    pub how: How,
}

/// How a run came to be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By this call.
    New,
    /// By a call with the same idempotency key.
    Again,
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
    #[error("the run key, or the actor's run, belongs to another run")]
    Taken,
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// As many runs as are allowed were started for the guild today.
    #[error(
        "the guild's budget of {limit} runs a day is spent; the next day begins at {resets_at}"
    )]
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
}

impl Starter {
    /// For a source with these options; `None` where the source reads no tokens.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn new(source: &str, options: &toml::Table) -> Result<Option<Self>, OptionsError> {
        Ok(Self::of(source, &Options::read(options)?))
    }

    pub(super) fn of(source: &str, options: &Options) -> Option<Self> {
        matches!(options.mode, Mode::Enforce).then(|| Self {
            source: source.to_owned(),
            purpose: options.purpose,
            daily_budget: options.daily_budget,
            code_ttl: options.code_ttl,
        })
    }

    /// What its runs are for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The name of its source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Enters a run, counts it, and mints its token.
    ///
    /// # Errors
    /// A [`StartError`]; nothing is entered or counted then, unless the commit's fate is unknown.
    pub async fn start(&self, with: With<'_>, request: &Request) -> Result<Started, StartError> {
        let run_key = request.run_key.unwrap_or_else(Uuid::new_v4);
        let claims = self.claims(run_key, request, with.now)?;
        let sought = self.sought(request, with.now)?;
        let run = NewRun {
            source: self.source.clone(),
            run_key,
            purpose: self.purpose,
            guild_id: request.guild_id.clone(),
            actor_id: request.actor_id.clone(),
            actor_run_id: request.actor_run_id.clone(),
            initiated_at: with.now,
        };
        let json = serde_json::to_string(&claims).unwrap_or_default();
        let details = Details {
            platform: request.platform,
            posts: self.posts(request)?,
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
                    token: mint(with.secret, &claims),
                    code: details.sought.map(|sought| sought.code),
                    how: How::New,
                };
                Ok(tx.commit(started).await?.into_inner())
            }
            Entered::Again { run_key, claims, code } => {
                let claims = Claims::read(claims.as_bytes()).ok_or(StoreError::Inconsistent {
                    table: "apify_runs",
                    column: "claims",
                    row: run_key.to_string(),
                })?;
                Ok(Started { run_key, token: mint(with.secret, &claims), code, how: How::Again })
            }
            Entered::Known { code } => {
                Ok(Started { run_key, token: mint(with.secret, &claims), code, how: How::Known })
            }
            Entered::Taken => Err(StartError::Taken),
            Entered::KeyReused => Err(StartError::KeyReused),
        }
    }

    fn claims(
        &self,
        run_key: Uuid,
        request: &Request,
        now: OffsetDateTime,
    ) -> Result<Claims, StartError> {
        if !request.actor_id.as_deref().is_none_or(is_name) {
            return Err(StartError::Invalid("an actor is named by 1 to 200 visible characters"));
        }
        let claims = Claims {
            v: 1,
            purpose: self.purpose.claim().to_owned(),
            guild_id: request.guild_id.clone(),
            run_key,
            iat: now.unix_timestamp(),
            nonce: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
            actor_id: request.actor_id.clone(),
            actor_run_id: request.actor_run_id.clone(),
        };
        // What the gateway would not read must not be minted.
        let json = serde_json::to_vec(&claims).unwrap_or_default();
        Claims::read(&json).ok_or_else(|| {
            StartError::Invalid(
                "a guild is named by letters, digits, `-` and `_`, at most 64; an actor's run by \
                 letters and digits, at most 40",
            )
        })
    }

    /// The posts, each once.
    fn posts(&self, request: &Request) -> Result<Vec<String>, StartError> {
        if request.posts.is_empty() {
            return Ok(Vec::new());
        }
        if self.purpose == Purpose::Verify {
            return Err(StartError::Invalid("a verification is started for no `posts`"));
        }
        if request.posts.len() > MAX_POSTS || !request.posts.iter().all(|post| is_name(post)) {
            return Err(StartError::Invalid(
                "`posts` are at most 1000, each named by 1 to 200 visible characters",
            ));
        }
        Ok(request.posts.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// What a verification looks for.
    fn sought(&self, request: &Request, now: OffsetDateTime) -> Result<Option<Sought>, StartError> {
        if self.purpose == Purpose::Run {
            return match (&request.handle, &request.code) {
                (None, None) => Ok(None),
                _ => Err(StartError::Invalid(
                    "`handle` and `code` are for a source with purpose = \"verify\"",
                )),
            };
        }
        let (Some(platform), Some(handle)) = (request.platform, &request.handle) else {
            return Err(StartError::Invalid("a verification needs a `platform` and a `handle`"));
        };
        let handle = handle.strip_prefix('@').unwrap_or(handle).to_lowercase();
        if !is_name(&handle) {
            return Err(StartError::Invalid("a handle is 1 to 200 visible characters"));
        }
        let code = request.code.clone().unwrap_or_else(make_up);
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(6..=64).contains(&code.len()) || !code.bytes().all(shaped) {
            return Err(StartError::Invalid("a code is 6 to 64 letters, digits, `-` and `_`"));
        }
        Ok(Some(Sought { platform, handle, code, expires_at: now + self.code_ttl }))
    }
}

/// A code that nobody has by chance.
fn make_up() -> String {
    let random = rand::random::<[u8; 8]>();
    let letters = random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31)));
    let letters: String = letters.map(|letter| char::from(*letter)).collect();
    format!("SP-{letters}")
}

fn is_name(text: &str) -> bool {
    let visible = |character: char| !character.is_control() && !character.is_whitespace();
    (1..=MAX_NAME).contains(&text.chars().count()) && text.chars().all(visible)
}

impl Started {
    /// As it is printed and answered.
    pub fn json(&self, starter: &Starter) -> serde_json::Value {
        // Apify takes the template as a text that is JSON.
        let template = serde_json::json!({ HEADER: self.token }).to_string();
        let mut json = serde_json::json!({
            "run_key": self.run_key,
            "source": starter.source(),
            "purpose": starter.purpose().as_str(),
            "registered": self.how != How::Known,
            "token": self.token,
            "headersTemplate": template,
        });
        if let (Some(code), Some(json)) = (&self.code, json.as_object_mut()) {
            json.insert("code".to_owned(), code.clone().into());
        }
        json
    }
}

/// The header that carries the token.
const HEADER: &str = "X-Webhook-Signed-Payload";
