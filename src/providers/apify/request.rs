//! The application's request to start a run, and its validation.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::tables::NewVerification;
use super::token::Claims;
use super::{Platform, Purpose};

/// The maximum number of posts per run.
const MAX_POSTS: usize = 1000;
/// The maximum length of a post id, a handle or an actor, in characters.
const MAX_NAME: usize = 200;
/// The characters of a generated code: no two are confusable.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The source at which the run's webhooks will arrive; read before it comes here.
    pub source: Option<String>,
    /// The Discord guild that the run is started for.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub guild_id: String,
    /// The application's own id of the run; by default a new one.
    pub run_key: Option<Uuid>,
    /// The actor, as its id or its name.
    #[schema(min_length = 1, max_length = 200)]
    pub actor_id: Option<String>,
    /// Apify's id of the run, where it is known already.
    #[schema(pattern = "^[A-Za-z0-9]{1,40}$")]
    pub actor_run_id: Option<String>,
    /// The platform that it looks at.
    #[schema(inline)]
    pub platform: Option<Platform>,
    /// Of a run that collects: the posts that it is started for, as the application names them.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub posts: Vec<String>,
    /// Of a verification: the account's name.
    #[schema(min_length = 1, max_length = 201)]
    pub handle: Option<String>,
    /// Of a verification: what must stand in the profile; by default made up.
    #[schema(pattern = "^[A-Za-z0-9_-]{6,64}$")]
    pub code: Option<String>,
}

impl Request {
    /// The claims of its token.
    pub(super) fn claims(
        &self,
        purpose: Purpose,
        run_key: Uuid,
        now: OffsetDateTime,
    ) -> Result<Claims, &'static str> {
        if !self.actor_id.as_deref().is_none_or(is_name) {
            return Err("an actor must be 1 to 200 visible characters");
        }
        let claims = Claims {
            v: 1,
            purpose: purpose.claim().to_owned(),
            guild_id: self.guild_id.clone(),
            run_key,
            iat: now.unix_timestamp(),
            nonce: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
            actor_id: self.actor_id.clone(),
            actor_run_id: self.actor_run_id.clone(),
        };
        // Claims that the gateway would not accept must not be issued.
        let json = serde_json::to_vec(&claims).unwrap_or_default();
        Claims::read(&json).ok_or(
            "a guild must be at most 64 letters, digits, `-` and `_`; an actor run id at most 40 \
             letters and digits",
        )
    }

    /// The posts, without duplicates.
    pub(super) fn posts(&self, purpose: Purpose) -> Result<Vec<String>, &'static str> {
        if self.posts.is_empty() {
            return Ok(Vec::new());
        }
        if purpose == Purpose::Verify {
            return Err("a verification takes no `posts`");
        }
        if self.posts.len() > MAX_POSTS || !self.posts.iter().all(|post| is_name(post)) {
            return Err("`posts` must be at most 1000 ids of 1 to 200 visible characters");
        }
        Ok(self.posts.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// The verification, if the source is for verifications.
    pub(super) fn verification(
        &self,
        purpose: Purpose,
        expires_at: OffsetDateTime,
    ) -> Result<Option<NewVerification>, &'static str> {
        if purpose == Purpose::Run {
            return match (&self.handle, &self.code) {
                (None, None) => Ok(None),
                _ => Err("`handle` and `code` require a source with purpose = \"verify\""),
            };
        }
        let (Some(platform), Some(handle)) = (self.platform, &self.handle) else {
            return Err("a verification requires a `platform` and a `handle`");
        };
        let handle = handle.strip_prefix('@').unwrap_or(handle).to_lowercase();
        if !is_name(&handle) {
            return Err("a handle must be 1 to 200 visible characters");
        }
        let code = self.code.clone().unwrap_or_else(random_code);
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(6..=64).contains(&code.len()) || !code.bytes().all(shaped) {
            return Err("a code must be 6 to 64 letters, digits, `-` and `_`");
        }
        Ok(Some(NewVerification { platform, handle, code, expires_at }))
    }
}

/// A random code.
fn random_code() -> String {
    let random = rand::random::<[u8; 8]>();
    let letters = random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31)));
    let letters: String = letters.map(|letter| char::from(*letter)).collect();
    format!("SP-{letters}")
}

fn is_name(text: &str) -> bool {
    let visible = |character: char| !character.is_control() && !character.is_whitespace();
    (1..=MAX_NAME).contains(&text.chars().count()) && text.chars().all(visible)
}
