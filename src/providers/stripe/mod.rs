//! Stripe: signature scheme and event classification.
//!
//! - A *snapshot* event contains the object at the time of the event; a *thin* event only refers to
//!   it. Both are signed and classified alike; a thin one is fetched (`thin`) if the source has an
//!   API key.
//! - The *account* is the connected account for which an event happened; events of the platform's
//!   own account have none.
//! - *Livemode* distinguishes real money from test money; a source accepts one of the two. A live
//!   endpoint of a platform also receives test events of its connected accounts, which are ignored.
//!   Any other event of the wrong mode becomes a dead letter, since the source is misconfigured.
//!
//! The body is parsed once here to classify the event. The handler parses the rest in the
//! background: `changes` reads what the event reports, and `lifecycle` merges it with the known
//! state.

mod applied;
mod changes;
mod erasure;
mod handler;
mod lifecycle;
mod money;
mod payload;
mod refusal;
mod tables;
mod thin;
mod values;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use self::changes::KINDS;
use self::handler::Stripe as StripeHandler;
use self::payload::Head;
use self::thin::{DEFAULT_BASE, DEFAULT_VERSION, StripeClient};
use super::{Built, Draft, Entry, OptionsError, Pace, SourceSpec};
use crate::outbound::OutboundError;
use crate::verify::{
    Classified, EventKey, EventMeta, Lane, Proof, ProofMethod, Provider, Quarantine, Quarantined,
    Refusal, RequestHead, Scheme, Secret, UnixSeconds, VerifiedRequest, VerifyContext, Window,
    parse,
};

/// The header with the timestamp and the signatures.
const HEADER: &str = "stripe-signature";

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]` over `{t}.{body}`. While a secret is rolled there is one `v1`
/// per active secret. `v0` is a placeholder for test mode and proves nothing.
const SCHEME: &str = r#"
algorithm = "hmac-sha256"
signed = "{timestamp}.{body}"
signature = { header = "stripe-signature", format = "t={timestamp},v1={signature}" }
timestamp = { from = "signature", tolerance = "5m" }
"#;

pub(super) const ENTRY: Entry = Entry {
    name: "stripe",
    summary: "Stripe: payments, refunds, disputes, subscriptions and connected accounts",
    tables: &[
        "stripe_payments",
        "stripe_sessions",
        "stripe_intents",
        "stripe_charges",
        "stripe_disputes",
        "stripe_subscriptions",
        "stripe_subscription_items",
        "stripe_subscribers",
        "stripe_invoices",
        "stripe_accounts",
        "stripe_objects",
        "stripe_thin_events",
    ],
    max_body: super::SMALL_BODY,
    max_age: super::FRESH,
    secret_prefix: Some("whsec_"),
    pace: Pace::PATIENT_SENDER,
    chunk: None,
    api: None,
    derived: Some(&erasure::StripeRows),
    build,
    sign: Some(sign),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Whether the source accepts live or test events. There is no default: guessing wrong would
    /// book test money as real.
    livemode: bool,
    /// The only connected account whose events the source accepts; any if absent.
    account: Option<String>,
    /// The API URL for thin events; Stripe's own if absent.
    api_base: Option<String>,
    /// The requested API version; see [`DEFAULT_VERSION`].
    api_version: Option<String>,
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let options: Options = spec.options()?;
    if let Some(account) = &options.account
        && account.strip_prefix("acct_").is_none_or(str::is_empty)
    {
        return Err(OptionsError(format!("account: `{account}` is not an id like `acct_…`")));
    }
    let api = api(spec, &options)?;
    let Options { livemode, account, .. } = options;
    let scheme = Scheme::built_in(SCHEME).map_err(OptionsError)?;
    Ok(Built {
        provider: Arc::new(Stripe { scheme }),
        handlers: vec![Arc::new(StripeHandler { livemode, account, api })],
        registry: None,
        api: None,
        maintenance: None,
        memory: Duration::ZERO,
        warnings: Vec::new(),
    })
}

/// The API client, if the source has an API key.
fn api(spec: &SourceSpec, options: &Options) -> Result<Option<StripeClient>, OptionsError> {
    let wrong = |what: &str| Err(OptionsError(what.to_owned()));
    let Some(key) = &spec.token else {
        if options.api_base.is_some() || options.api_version.is_some() {
            return wrong(
                "api_base, api_version: these require an API key as the source's `token`",
            );
        }
        return Ok(None);
    };
    check_key(key, options.livemode)?;
    let base = Url::parse(options.api_base.as_deref().unwrap_or(DEFAULT_BASE)).ok();
    let Some(base) = base else {
        return wrong("api_base: must be a URL such as `https://api.stripe.com`");
    };
    match spec.services.outbound.check(&base) {
        Ok(()) => {}
        Err(OutboundError::Refused { refusal, .. }) => {
            return wrong(&format!("api_base: {refusal}"));
        }
        Err(error) => return wrong(&format!("api_base: {error}")),
    }
    let version = options.api_version.clone().unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if version.is_empty() || !version.bytes().all(fits) {
        return wrong("api_version: must be a version such as `2025-09-30.clover`");
    }
    Ok(Some(StripeClient::new(spec.services.outbound.clone(), base, key.clone(), version)))
}

/// Requires a secret or restricted key of the source's mode. Otherwise a publishable key or the
/// endpoint's secret would be noticed only at the first thin event.
fn check_key(key: &Secret, livemode: bool) -> Result<(), OptionsError> {
    let key = key.expose();
    let mode = match key.split(|byte| *byte == b'_').collect::<Vec<_>>().as_slice() {
        [b"sk" | b"rk", b"org", mode, _, ..] | [b"sk" | b"rk", mode, _, ..] => *mode,
        _ => b"",
    };
    let known = matches!(mode, b"live" | b"test") && key.iter().all(u8::is_ascii_graphic);
    let problem = match (known, livemode == (mode == b"live")) {
        (false, _) => "not an API key such as `sk_live_…` or `rk_test_…`",
        (true, false) => "test or live mode differs from the source's `livemode`",
        (true, true) => return Ok(()),
    };
    Err(OptionsError(format!("token: {problem}")))
}

fn sign(draft: &Draft<'_>) -> Vec<(String, String)> {
    let time = draft.at.to_string();
    let mac = draft.secret.sign(&[time.as_bytes(), b".", draft.body]);
    let mut headers = draft.headers.to_vec();
    headers.push((HEADER.to_owned(), format!("t={time},v1={}", hex::encode(mac))));
    headers
}

struct Stripe {
    scheme: Arc<Scheme>,
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn headers(&self) -> &'static [&'static str] {
        &[HEADER]
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.scheme.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        request.signed(&self.scheme)
    }

    fn scheme(&self, _head: &RequestHead) -> Option<&Arc<Scheme>> {
        Some(&self.scheme)
    }

    fn claimed_proofs(&self, _request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        vec![ProofMethod::Signature(&self.scheme)]
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        match classify(request.body(), || request.body_digest()) {
            Ok(envelope) => Classified::Event(envelope),
            Err(quarantined) => Classified::Quarantined(quarantined),
        }
    }
}

fn classify(body: &[u8], digest: impl FnOnce() -> [u8; 32]) -> Result<EventMeta, Quarantined> {
    let head: Head<'_> = parse(body)?;
    let event_type = check_type(head.kind())?;
    if !head.is_event() {
        let detail = "`object` is neither `event` nor `v2.core.event`".to_owned();
        return Err(Quarantined {
            reason: Quarantine::Schema,
            detail,
            event_type: Some(event_type.into_owned()),
        });
    }
    let key = match head.id() {
        Some(id) => EventKey::Signed(id.as_bytes().to_vec()),
        None => EventKey::BodyDigest(digest()),
    };
    let lane = head.object_id().map(|id| Lane::of(&[head.scope().unwrap_or_default(), id]));
    Ok(EventMeta { event_type, key, lane, occurred_at: head.created() })
}

/// An event type that can be stored and displayed; types with a handler cost no allocation.
fn check_type(kind: &str) -> Result<Cow<'static, str>, Quarantined> {
    if kind.len() > EventMeta::MAX_EVENT_TYPE {
        let detail = format!("`type` is too long: {} bytes", kind.len());
        return Err((Quarantine::FieldLength, detail).into());
    }
    if kind.is_empty() || kind.contains(char::is_control) {
        let detail = "`type` is empty or contains control characters".to_owned();
        return Err((Quarantine::Schema, detail).into());
    }
    let known = KINDS.iter().find(|known| **known == kind);
    Ok(known.map_or_else(|| Cow::Owned(kind.to_owned()), |known| Cow::Borrowed(*known)))
}

#[cfg(test)]
mod tests;
