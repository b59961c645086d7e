//! Stripe: how it signs, and how its events are named.
//!
//! - A *snapshot* event carries the object as it was when the event was made; a *thin* event only
//!   points at it. Both are signed alike and named alike; a thin one is fetched (`thin`) where the
//!   source has an API key.
//! - The *account* is the connected account in whose name an event happened; events of the
//!   platform's own account have none.
//! - *Livemode* tells real money from test money. A source says which of the two it takes. A live
//!   endpoint of a platform also receives the test events of its connected accounts: those are
//!   ignored. Any other event of the wrong mode is a dead letter, since the source is wired
//!   wrongly.
//!
//! The body is read once here, to name the event; what a handler needs beyond the name it reads
//! itself, in the background: what the event says (`changes`), joined with what is known
//! (`lifecycle`).

mod changes;
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
use self::thin::{Api, DEFAULT_BASE, DEFAULT_VERSION};
use super::{Built, Draft, Entry, OptionsError, Pace, SourceSpec};
use crate::gate::{
    Envelope, EventKey, Evidence, Examination, Lane, Layout, Named, Part, Proof, Provider,
    Quarantine, Quarantined, Refusal, RequestHead, Scheme, Secret, Time, UnixSeconds,
    VerifiedRequest, Window, parse,
};
use crate::outbound::OutboundError;

/// The header that carries the time and the signatures.
const HEADER: &str = "stripe-signature";

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]` over `{t}.{body}`. While a secret is rolled there is one
/// `v1` per active secret. `v0` is a stand-in for test mode and proves nothing.
static SCHEME: Scheme = Scheme {
    header: HEADER,
    layout: Layout::Pairs { time: "t", signature: "v1" },
    time: Time::InSignature,
    transcript: &[Part::Timestamp, Part::Text(".")],
};

/// The catalogue's entry.
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
    build,
    sign,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Whether the source takes live events, or test events. Without a default: guessing wrong
    /// would book test money as real.
    livemode: bool,
    /// The one connected account whose events the source takes; any when absent.
    account: Option<String>,
    /// Where thin events are asked about; Stripe itself when absent.
    api_base: Option<String>,
    /// The version of Stripe's interface that is asked; see [`DEFAULT_VERSION`].
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
    Ok(Built {
        provider: Arc::new(Stripe),
        handlers: vec![Arc::new(StripeHandler { livemode, account, api })],
        registry: None,
        api: None,
        upkeep: None,
        memory: Duration::ZERO,
        warnings: Vec::new(),
    })
}

/// Stripe's interface, where the source has a key for it.
fn api(spec: &SourceSpec, options: &Options) -> Result<Option<Api>, OptionsError> {
    let wrong = |what: &str| Err(OptionsError(what.to_owned()));
    let Some(key) = &spec.token else {
        if options.api_base.is_some() || options.api_version.is_some() {
            return wrong("api_base, api_version: they want an API key as the source's `token`");
        }
        return Ok(None);
    };
    check_key(key, options.livemode)?;
    let base = Url::parse(options.api_base.as_deref().unwrap_or(DEFAULT_BASE)).ok();
    let Some(base) = base else {
        return wrong("api_base: it is not an address like `https://api.stripe.com`");
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
        return wrong("api_version: it is not a version like `2025-09-30.clover`");
    }
    Ok(Some(Api::new(spec.services.outbound.clone(), base, key.clone(), version)))
}

/// A secret or restricted key of the mode that the source takes. A publishable key or the
/// endpoint's own secret in its place would come to light only with the first thin event.
fn check_key(key: &Secret, livemode: bool) -> Result<(), OptionsError> {
    let key = key.expose();
    let mode = match key.split(|byte| *byte == b'_').collect::<Vec<_>>().as_slice() {
        [b"sk" | b"rk", b"org", mode, _, ..] | [b"sk" | b"rk", mode, _, ..] => *mode,
        _ => b"",
    };
    let known = matches!(mode, b"live" | b"test") && key.iter().all(u8::is_ascii_graphic);
    let problem = match (known, livemode == (mode == b"live")) {
        (false, _) => "it is not an API key like `sk_live_…` or `rk_test_…`",
        (true, false) => "its mode is not the source's: see `livemode`",
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

struct Stripe;

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
        SCHEME.precheck(head, window, now)
    }

    fn verify(&self, request: &Examination<'_>) -> Result<Proof, Refusal> {
        request.signed(&SCHEME)
    }

    fn signs_body(&self, _head: &RequestHead) -> Option<&'static Scheme> {
        Some(&SCHEME)
    }

    fn evidence(&self, _request: &Examination<'_>) -> Vec<Evidence> {
        vec![Evidence::Signature(&SCHEME)]
    }

    fn name_event(&self, request: &VerifiedRequest) -> Named {
        match name(request.body(), || request.body_digest()) {
            Ok(envelope) => Named::Event(envelope),
            Err(quarantined) => Named::Quarantined(quarantined),
        }
    }
}

fn name(body: &[u8], digest: impl FnOnce() -> [u8; 32]) -> Result<Envelope, Quarantined> {
    let head: Head<'_> = parse(body)?;
    let kind = check_kind(head.kind())?;
    if !head.is_event() {
        let detail = "`object` is neither `event` nor `v2.core.event`".to_owned();
        return Err(Quarantined {
            reason: Quarantine::Schema,
            detail,
            kind: Some(kind.into_owned()),
        });
    }
    let key = match head.id() {
        Some(id) => EventKey::Signed(id.as_bytes().to_vec()),
        None => EventKey::BodyDigest(digest()),
    };
    let lane = head.object_id().map(|id| Lane::of(&[head.scope().unwrap_or_default(), id]));
    Ok(Envelope { kind, key, lane, occurred_at: head.created() })
}

/// A type that can be stored and shown; those with a handler cost no allocation.
fn check_kind(kind: &str) -> Result<Cow<'static, str>, Quarantined> {
    if kind.len() > Envelope::MAX_KIND {
        let detail = format!("`type` has {} bytes", kind.len());
        return Err((Quarantine::FieldLength, detail).into());
    }
    if kind.is_empty() || kind.contains(char::is_control) {
        let detail = "`type` is empty or holds control characters".to_owned();
        return Err((Quarantine::Schema, detail).into());
    }
    let known = KINDS.iter().find(|known| **known == kind);
    Ok(known.map_or_else(|| Cow::Owned(kind.to_owned()), |known| Cow::Borrowed(*known)))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const DIGEST: [u8; 32] = [7; 32];

    fn named(body: &str) -> Result<Envelope, Quarantined> {
        name(body.as_bytes(), || DIGEST)
    }

    #[test]
    fn a_snapshot_event_is_named_by_its_id_and_laned_by_its_object() {
        let envelope = named(
            r#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1700000000,
                "livemode":false,"account":"acct_1","data":{"object":{"object":"payment_intent",
                "id":"pi_1","metadata":{"id":"decoy"}}},"request":null}"#,
        )
        .unwrap();
        assert_eq!(envelope.kind, "payment_intent.succeeded");
        assert_eq!(envelope.key, EventKey::Signed(b"evt_1".to_vec()));
        assert_eq!(envelope.lane, Some(Lane::of(&["acct_1", "pi_1"])));
        assert_eq!(envelope.occurred_at, Some(datetime!(2023-11-14 22:13:20 UTC)));
    }

    #[test]
    fn a_thin_event_is_named_alike() {
        let envelope = named(
            r#"{"id":"evt_test_2","object":"v2.core.event","type":"v1.billing.meter.no_meter_found",
                "created":"2026-01-02T04:04:05.250+01:00","livemode":false,"context":"acct_2",
                "related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/mtr_1"}}"#,
        )
        .unwrap();
        assert_eq!(envelope.key, EventKey::Signed(b"evt_test_2".to_vec()));
        assert_eq!(envelope.lane, Some(Lane::of(&["acct_2", "mtr_1"])));
        assert_eq!(envelope.occurred_at, Some(datetime!(2026-01-02 03:04:05.250 UTC)));
    }

    #[test]
    fn the_same_object_id_in_two_accounts_is_two_lanes() {
        let lane = |account: &str| {
            let body =
                format!(r#"{{"type":"x","account":"{account}","data":{{"object":{{"id":"o"}}}}}}"#);
            named(&body).unwrap().lane
        };
        assert_ne!(lane("acct_1"), lane("acct_2"));
    }

    #[test]
    fn an_event_without_an_id_is_known_by_its_body_and_one_without_an_object_has_no_lane() {
        for body in [
            r#"{"type":"balance.available"}"#,
            r#"{"type":"balance.available","id":""}"#,
            r#"{"type":"balance.available","id":null,"data":{"object":{"object":"balance"}}}"#,
        ] {
            let envelope = named(body).unwrap();
            assert_eq!(envelope.key, EventKey::BodyDigest(DIGEST), "{body}");
            assert_eq!(envelope.lane, None, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_event_is_kept_with_its_reason() {
        let long = format!(r#"{{"id":"evt_1","type":"{}"}}"#, "x".repeat(201));
        for (body, reason) in [
            ("", Quarantine::EmptyBody),
            ("not json", Quarantine::NotJson),
            ("{}", Quarantine::Schema),
            ("[]", Quarantine::Schema),
            ("null", Quarantine::Schema),
            (r#"["evt_1","event","x",1,null,null,null,null]"#, Quarantine::Schema),
            (r#"{"obj1":"hello","obj2":"world"}"#, Quarantine::Schema),
            (r#"{"id":7,"type":"x"}"#, Quarantine::Schema),
            (r#"{"id":"evt_1","type":""}"#, Quarantine::Schema),
            (r#"{"id":"evt_1","type":"a\u0000b"}"#, Quarantine::Schema),
            (r#"{"id":"ch_1","object":"charge","type":"x"}"#, Quarantine::Schema),
            (r#"{"type":"x","created":1.5}"#, Quarantine::Schema),
            (r#"{"type":"x","created":-1}"#, Quarantine::Schema),
            (r#"{"type":"x","created":999999999999999}"#, Quarantine::Schema),
            (r#"{"type":"x","created":"9999-12-31T23:59:59-23:59"}"#, Quarantine::Schema),
            (r#"{"id":"evt_1","type":"x","id":"evt_2"}"#, Quarantine::DuplicateKey),
            (r#"{"id":"evt_1","type":"x","\u0069d":"evt_2"}"#, Quarantine::DuplicateKey),
            (long.as_str(), Quarantine::FieldLength),
        ] {
            assert_eq!(named(body).unwrap_err().reason, reason, "{body}");
        }
    }

    #[test]
    fn the_longest_type_is_still_a_type() {
        let body = format!(r#"{{"type":"{}"}}"#, "x".repeat(200));
        assert_eq!(named(&body).unwrap().kind.len(), Envelope::MAX_KIND);
    }

    fn built(options: &str, key: Option<&str>) -> Result<Built, OptionsError> {
        build(&SourceSpec {
            name: "billing".into(),
            tenant: "default".into(),
            options: options.parse().unwrap(),
            token: key.map(|key| Secret::new(key).unwrap()),
            transfer_limits: crate::gate::TransferLimits { chunks: 1, bytes: 1 },
            services: crate::providers::Services::bare().unwrap(),
        })
    }

    #[test]
    fn a_source_must_say_live_or_test_and_name_a_real_account() {
        assert!(built("livemode = true", None).is_ok());
        assert!(built("livemode = false\naccount = 'acct_1'", None).is_ok());
        for (options, told) in [
            ("", "livemode"),
            ("livemode = 'no'", "boolean"),
            ("livemode = true\naccount = 'cus_1'", "cus_1"),
            ("livemode = true\naccount = 'acct_'", "acct_"),
            ("livemode = true\ntolerance = 0", "tolerance"),
            ("livemode = true\napi_base = 'https://api.stripe.com'", "token"),
        ] {
            let error = built(options, None).err().unwrap().to_string();
            assert!(error.contains(told), "{options}: {error}");
        }
    }

    #[test]
    fn a_key_is_one_of_the_sources_own_mode() {
        for (options, key) in [
            ("livemode = true", "sk_live_0123456789abcdef"),
            ("livemode = false", "sk_test_0123456789abcdef"),
            ("livemode = false", "rk_test_0123456789_abcdef"),
            ("livemode = true", "sk_org_live_0123456789abcdef"),
            ("livemode = true\napi_version = '2026-10-29.clover'", "rk_live_0123456789abcdef"),
        ] {
            assert!(built(options, Some(key)).is_ok(), "{options}, {key}");
        }
        for (options, key, told) in [
            ("livemode = true", "sk_test_0123456789abcdef", "its mode"),
            ("livemode = false", "sk_live_0123456789abcdef", "its mode"),
            ("livemode = true", "pk_live_0123456789abcdef", "not an API key"),
            ("livemode = true", "whsec_0123456789abcdef", "not an API key"),
            ("livemode = true", "sk_live_0123456789 abcdef", "not an API key"),
            ("livemode = true\napi_base = 'stripe'", "sk_live_0123456789abcdef", "api_base"),
            ("livemode = true\napi_base = 'ftp://a'", "sk_live_0123456789abcdef", "api_base"),
            (
                "livemode = true\napi_base = 'https://10.0.0.1'",
                "sk_live_0123456789abcdef",
                "10.0.0.1",
            ),
            ("livemode = true\napi_version = 'a b'", "sk_live_0123456789abcdef", "api_version"),
        ] {
            let error = built(options, Some(key)).err().unwrap().to_string();
            assert!(error.contains(told), "{options}, {key}: {error}");
            assert!(!error.contains("0123456789"), "{error}");
        }
    }
}
