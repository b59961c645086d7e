//! Bot: signed callbacks between a Discord bot, its workers and its API.
//!
//! Two forms of signature, both HMAC-SHA256 in hexadecimal in `x-signature`:
//!
//! - *compat*: over `{x-timestamp}:{x-nonce}:{x-guild-id}:{body}`, with or without `sha256=`;
//! - *native*: `v2=` over `v2:{x-service-name}:{x-timestamp}:{x-nonce}:{x-guild-id}:{body}`, which
//!   binds the calling service.
//!
//! The separator is not escaped, so signed values must not contain it; this is checked before any
//! MAC is computed, and leaves the body as the only free text. The timestamp counts seconds (10
//! digits) or milliseconds (13).
//!
//! `x-service-name` must be one of the allowed services. A callback is deduplicated by its nonce.
//! The service is not part of the key, since the compat form does not sign it. A sender that
//! retries signs anew with a new nonce, and identifies the request by its `Idempotency-Key`.

mod handler;
mod payload;
mod sign;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use self::sign::sign;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Built, Entry, FRESH, OptionsError, Pace, SMALL_BODY, SourceSpec};
use crate::store::ExpectedTokens;
use crate::verify::{
    Classified, EventKey, EventMeta, Lane, Proof, ProofMethod, Provider, Quarantine, Quarantined,
    Refusal, RequestHead, Scheme, Secret, UnixSeconds, VerifiedRequest, VerifyContext, Window,
};

pub const ENTRY: Entry = Entry {
    name: Bot::NAME,
    summary: "Callbacks of a Discord bot and its services, HMAC over time, nonce, guild and body",
    tables: &["bot_events", "bot_health"],
    max_body: SMALL_BODY,
    max_age: FRESH,
    secret_prefix: None,
    pace: Pace::PATIENT_SENDER,
    chunk: None,
    api: None,
    derived: Some(&tables::BotRows),
    build,
    sign: Some(sign),
};

const SIGNATURE: &str = "x-signature";
const TIMESTAMP: &str = "x-timestamp";
const NONCE: &str = "x-nonce";
const GUILD: &str = "x-guild-id";
const SERVICE: &str = "x-service-name";
const TOKEN: &str = "x-callback-token";
const AUTHORIZATION: &str = "authorization";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const COMPAT: &str = r#"
algorithm = "hmac-sha256"
signed = "{timestamp}:{header:x-nonce}:{header:x-guild-id?}:{body}"
signature = { header = "x-signature", prefix = "sha256=", prefix_optional = true }
timestamp = { from = "header:x-timestamp", unit = "seconds-or-milliseconds", tolerance = "5m" }
"#;

const NATIVE: &str = r#"
algorithm = "hmac-sha256"
signed = "v2:{header:x-service-name}:{timestamp}:{header:x-nonce}:{header:x-guild-id?}:{body}"
signature = { header = "x-signature", prefix = "v2=" }
timestamp = { from = "header:x-timestamp", unit = "seconds-or-milliseconds", tolerance = "5m" }
"#;

/// Accepts every time.
const ANY_TIME: Window = Window { max_age: i64::MAX, max_future: i64::MAX };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    allowed_services: Vec<String>,
    #[serde(default)]
    form: Form,
    /// The maximum interval between heartbeats, in seconds; not monitored if absent.
    heartbeat_timeout: Option<NonZeroU32>,
}

/// The accepted signature forms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// `v2=` is native, everything else compat.
    #[default]
    Any,
    Compat,
    Native,
}

struct Bot {
    allowed_services: Vec<String>,
    form: Form,
    token: Option<Secret>,
    compat: Arc<Scheme>,
    native: Arc<Scheme>,
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let Options { allowed_services, form, heartbeat_timeout } = spec.options()?;
    if allowed_services.is_empty() {
        return Err(OptionsError("`allowed_services` must name at least one service".into()));
    }
    if let Some(bad) = allowed_services.iter().find(|name| !is_service(name)) {
        return Err(OptionsError(format!(
            "`allowed_services`: `{bad}` is not 1 to 64 letters, digits, `.`, `_` or `-`"
        )));
    }
    let heartbeat_monitor = heartbeat_timeout.map(|timeout| -> Arc<dyn ExpectedTokens> {
        let timeout = time::Duration::seconds(timeout.get().into());
        Arc::new(handler::HeartbeatMonitor { source: spec.name.clone(), timeout })
    });
    let scheme = |text| Scheme::built_in(text).map_err(OptionsError);
    let (compat, native) = (scheme(COMPAT)?, scheme(NATIVE)?);
    let token = spec.token.clone();
    Ok(Built {
        provider: Arc::new(Bot { allowed_services, form, token, compat, native }),
        handlers: vec![Arc::new(handler::Callbacks)],
        registry: heartbeat_monitor,
        api: None,
        maintenance: None,
        memory: Duration::ZERO,
        warnings: Vec::new(),
    })
}

impl Bot {
    const NAME: &str = "bot";

    /// The scheme that applies to a request.
    fn expected(&self, head: &RequestHead) -> Result<&Arc<Scheme>, Refusal> {
        let signature = head.headers.required_token(SIGNATURE)?;
        Ok(match self.form {
            Form::Native => &self.native,
            Form::Any if signature.starts_with("v2=") => &self.native,
            Form::Any | Form::Compat => &self.compat,
        })
    }

    /// The scheme that applies, if the values that it signs are unambiguous.
    fn checked(&self, head: &RequestHead, now: UnixSeconds) -> Result<&Arc<Scheme>, Refusal> {
        let scheme = self.expected(head)?;
        // A malformed signature or time is reported first, the age of the time last.
        scheme.precheck(head, ANY_TIME, now)?;
        if Arc::ptr_eq(scheme, &self.native) {
            check_shape(head, SERVICE, is_service)?;
        }
        check_shape(head, NONCE, is_nonce)?;
        // An absent guild counts as empty.
        if head.headers.has(GUILD) {
            check_shape(head, GUILD, is_guild)?;
        }
        Ok(scheme)
    }

    /// Checks the parts of the head that are not part of the signature: token, service and
    /// idempotency key.
    fn check<'h>(&self, head: &'h RequestHead) -> Result<Caller<'h>, Refusal> {
        if let Some(token) = &self.token {
            check_token(head, token)?;
        }
        let service = head.headers.required_token(SERVICE)?;
        if !self.allowed_services.iter().any(|allowed| allowed == service) {
            return Err(Refusal::NotAllowed("the service"));
        }
        let key = head.headers.single(IDEMPOTENCY_KEY)?;
        let visible = |key: &str| key.bytes().all(|byte| byte.is_ascii_graphic());
        match key {
            Some(key) if !(1..=255).contains(&key.len()) || !visible(key) => {
                Err(Refusal::Malformed(IDEMPOTENCY_KEY))
            }
            idempotency_key => Ok(Caller { service, idempotency_key }),
        }
    }

    /// The digest of an idempotency key. Each service has its own namespace; the digest is keyed
    /// with the token, if there is one, so that nobody else can predict it.
    fn request_key(&self, service: &str, key: &str) -> [u8; 32] {
        let parts = [service.as_bytes(), &[0], key.as_bytes()];
        match &self.token {
            Some(token) => token.sign(&parts),
            None => Sha256::digest(parts.concat()).into(),
        }
    }
}

/// The caller, according to its headers.
struct Caller<'h> {
    service: &'h str,
    idempotency_key: Option<&'h str>,
}

/// The token, as a bearer or in its own header; if both are present, both must match.
fn check_token(head: &RequestHead, token: &Secret) -> Result<(), Refusal> {
    let bearer = match head.headers.single(AUTHORIZATION)? {
        Some(value) => match value.split_once(' ') {
            Some((scheme, bearer)) if scheme.eq_ignore_ascii_case("bearer") => Some(bearer),
            _ => return Err(Refusal::Malformed(AUTHORIZATION)),
        },
        None => None,
    };
    let mut presented = bearer.into_iter().chain(head.headers.single(TOKEN)?).peekable();
    if presented.peek().is_none() {
        return Err(Refusal::Missing(AUTHORIZATION));
    }
    if presented.all(|presented| token.matches(presented.as_bytes())) {
        Ok(())
    } else {
        Err(Refusal::Mismatch)
    }
}

/// Checks a value that is signed together with others: their separator is not escaped.
fn check_shape(
    head: &RequestHead,
    name: &'static str,
    is_valid: fn(&str) -> bool,
) -> Result<(), Refusal> {
    // The scheme signs a header as it is written: two spellings of it could be read as either.
    head.headers.single(name)?;
    let value = head.headers.required_token(name)?;
    if is_valid(value) { Ok(()) } else { Err(Refusal::Ambiguous(name)) }
}

impl Provider for Bot {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn headers(&self) -> &'static [&'static str] {
        &[SIGNATURE, TIMESTAMP, NONCE, GUILD, SERVICE, TOKEN, AUTHORIZATION, IDEMPOTENCY_KEY]
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[GUILD, SERVICE, IDEMPOTENCY_KEY]
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.check(head)?;
        self.checked(head, now)?.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        let head = request.head();
        let Caller { service, idempotency_key } = self.check(head)?;
        let proof = request.signed(self.checked(head, request.now())?)?;
        Ok(match idempotency_key {
            Some(key) => proof.with_request_key(self.request_key(service, key)),
            None => proof,
        })
    }

    fn scheme(&self, head: &RequestHead) -> Option<&Arc<Scheme>> {
        self.expected(head).ok()
    }

    fn claimed_proofs(&self, request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        let expected = self.expected(request.head()).unwrap_or(&self.compat);
        let is_native = Arc::ptr_eq(expected, &self.native);
        let other = if is_native { &self.compat } else { &self.native };
        vec![ProofMethod::Signature(expected), ProofMethod::OtherForm(other)]
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        // Both forms sign the nonce, so it is present.
        let Some(nonce) = request.header(NONCE) else {
            return Classified::Quarantined((Quarantine::Schema, "no signed nonce".into()).into());
        };
        let event_type = match payload::event_type(request.body()) {
            Ok(event_type) => event_type,
            Err(error) => return Classified::Quarantined(Quarantined::from(error)),
        };
        let guild = request.header(GUILD).filter(|guild| !guild.is_empty());
        Classified::Event(EventMeta {
            event_type: event_type.into(),
            key: EventKey::Once(nonce.as_bytes().to_vec()),
            lane: guild.map(|guild| Lane::of(&[guild])),
            occurred_at: request.header(TIMESTAMP).and_then(signed_at),
        })
    }
}

/// The signing time, to the millisecond if specified.
fn signed_at(text: &str) -> Option<OffsetDateTime> {
    let unit: i128 = if text.len() == 13 { 1_000_000 } else { 1_000_000_000 };
    OffsetDateTime::from_unix_timestamp_nanos(text.parse::<i128>().ok()?.checked_mul(unit)?).ok()
}

fn is_nonce(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_guild(text: &str) -> bool {
    text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_service(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
