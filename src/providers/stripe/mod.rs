//! Stripe: how it signs, and how its events are named.
//!
//! - A *snapshot* event carries the object as it was when the event was made; a *thin* event only
//!   points at it. Both are signed alike and named alike.
//! - The *account* is the connected account in whose name an event happened; events of the
//!   platform's own account have none.
//! - *Livemode* tells real money from test money. A live endpoint of a platform also receives the
//!   test events of its connected accounts, so a source says which of the two it takes, and the
//!   handler buries the other.
//!
//! The body is read once here, to name the event; what a handler needs beyond the name it reads
//! itself, in the background.

mod handler;
mod payload;
mod tables;
mod values;

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use self::handler::Stripe as StripeHandler;
use self::payload::Head;
use super::{Built, Draft, Entry, OptionsError, SourceSpec};
use crate::gate::{
    Envelope, EventKey, Examination, Lane, Layout, Named, Part, Proof, Provider, Quarantine,
    Quarantined, Refusal, RequestHead, Scheme, Time, UnixSeconds, VerifiedRequest, Window, parse,
};

/// The header that carries the time and the signatures.
const HEADER: &str = "stripe-signature";

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]` over `{t}.{body}`. While a secret is rolled there is one
/// `v1` per active secret. `v0` is a stand-in for test mode and proves nothing.
const SCHEME: Scheme = Scheme {
    header: HEADER,
    layout: Layout::Pairs { time: "t", signature: "v1" },
    time: Time::InSignature,
    transcript: &[Part::Timestamp, Part::Text(".")],
};

/// The catalogue's entry.
pub(super) const ENTRY: Entry = Entry {
    name: "stripe",
    summary: "Stripe: payments of invoices and the state of connected accounts",
    tables: &["stripe_payments", "stripe_accounts", "stripe_objects"],
    max_body: super::SMALL_BODY,
    max_age: super::FRESH,
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
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let Options { livemode, account } = spec.options()?;
    if let Some(account) = &account
        && account.strip_prefix("acct_").is_none_or(str::is_empty)
    {
        return Err(OptionsError(format!("account: `{account}` is not an id like `acct_…`")));
    }
    Ok(Built {
        provider: Arc::new(Stripe),
        handlers: vec![Arc::new(StripeHandler { livemode, account })],
        registry: None,
        upkeep: None,
        warnings: Vec::new(),
    })
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
    let known = handler::KINDS.iter().find(|known| **known == kind);
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

    #[test]
    fn a_source_must_say_live_or_test_and_name_a_real_account() {
        let spec = |options: &str| SourceSpec {
            name: "billing".into(),
            tenant: "default".into(),
            options: options.parse().unwrap(),
            token: None,
            transfer_limits: crate::gate::TransferLimits { chunks: 1, bytes: 1 },
            services: crate::providers::Services::bare().unwrap(),
        };
        assert!(build(&spec("livemode = true")).is_ok());
        assert!(build(&spec("livemode = false\naccount = 'acct_1'")).is_ok());
        for (options, told) in [
            ("", "livemode"),
            ("livemode = 'no'", "boolean"),
            ("livemode = true\naccount = 'cus_1'", "cus_1"),
            ("livemode = true\naccount = 'acct_'", "acct_"),
            ("livemode = true\ntolerance = 0", "tolerance"),
        ] {
            let error = build(&spec(options)).err().unwrap().to_string();
            assert!(error.contains(told), "{options}: {error}");
        }
    }
}
