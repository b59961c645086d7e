//! Apify: runs of its actors, which report their end by webhook.
//!
//! Apify signs nothing. A request is proven by one of
//!
//! - a *token* that the application issued when it started the run, and that Apify repeats: in the
//!   header `x-webhook-signed-payload`, the body's field `signedPayload` or the query parameter
//!   `signed_payload`. It vouches for the request; the body is unsigned, and only the token's
//!   claims are proven. An expired token is still accepted while its run is expected.
//! - a *body signature*, `x-apify-webhook-signature: t=…,v1=…`, for our own relays. If both are
//!   present, both must be valid.
//! - with `mode = "token"`, a shared secret in a header or a query parameter, which proves only
//!   that the sender knows it.
//!
//! `Origin` and `Referer`, if present, must name an allowed host: no proof, but it excludes forged
//! forms. Apify's dispatch id is unsigned, so a webhook is deduplicated by its body. Only in mode
//! `token`, where nothing is signed anyway, the dispatch id counts: a custom template may produce
//! the same body for two runs.

mod alerts;
mod api;
mod apply;
mod handler;
mod lifecycle;
mod options;
mod payload;
mod platform;
mod request;
mod results;
mod sign;
pub mod start;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod token;

use std::borrow::Cow;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::{Built, Entry, OptionsError, Pace, SMALL_BODY, SourceSpec};
use crate::verify::{
    Classified, EventKey, EventMeta, Lane, Proof, ProofMethod, Provider, Quarantined, Refusal,
    RequestHead, Scheme, SignedTime, UnixSeconds, VerifiedRequest, VerifyContext, Window,
};
pub use options::Purpose;
use options::{Mode, Options, SharedSecret};
pub use platform::Platform;
use results::{Collector, Datasets};
use start::Starter;
use token::Claims;

pub const ENTRY: Entry = Entry {
    name: Apify::NAME,
    summary: "Apify actor runs: a signed token per run, or a body signature",
    tables: &["apify_runs", "apify_posts", "apify_metrics", "apify_verifications", "apify_usage"],
    max_body: SMALL_BODY,
    // Apify retries for more than a day, with the original signature.
    max_age: Duration::from_hours(1),
    secret_prefix: None,
    pace: Pace::PATIENT_SENDER,
    chunk: None,
    api: Some(api::described),
    derived: Some(&tables::ApifyRows),
    build,
    sign: Some(sign::sign),
};

const TOKEN: &str = "x-webhook-signed-payload";
const TOKEN_FIELD: &str = "signedPayload";
const TOKEN_PARAMETER: &str = "signed_payload";
const SIGNATURE: &str = "x-apify-webhook-signature";
const DISPATCH: &str = "x-apify-webhook-dispatch-id";
const AUTHORIZATION: &str = "authorization";
const ORIGIN: &str = "origin";
const REFERER: &str = "referer";
/// The accepted clock skew of the token's issuer into the future, in seconds.
const MAX_FUTURE: i64 = 300;

const BODY_SIGNATURE: &str = r#"
algorithm = "hmac-sha256"
signed = "{timestamp}.{body}"
signature = { header = "x-apify-webhook-signature", format = "t={timestamp},v1={signature}" }
timestamp = { from = "signature", tolerance = "5m" }
"#;

struct Apify {
    options: Options,
    body_signature: Arc<Scheme>,
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let options = Options::read(&spec.options)?;
    let mut warnings = Vec::new();
    if let Mode::Token(shared) = &options.mode {
        let header = shared.header();
        warnings.push(format!(
            "mode = \"token\" proves only that the sender knows the secret in `{header}`: \
             neither body nor time are signed, and no token ties a request to its run"
        ));
        if let Some(parameter) = &shared.query {
            warnings.push(format!(
                "token_query = \"{parameter}\" takes the secret from the address: this gateway \
                 does not log it, but proxies before it may"
            ));
        }
    }
    let Options { purpose, registration_grace, dispatch_ttl, max_items, .. } = options;
    let memory = options.memory();
    spec.services.outbound.check(&options.api_url).map_err(|error| {
        let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
        OptionsError(format!("`api_url`: {error}{why}"))
    })?;
    let datasets = spec.token.clone().map(|token| Datasets {
        outbound: spec.services.outbound.clone(),
        base: options.api_url.clone(),
        token,
        max_items,
    });
    let collector = Collector { purpose, datasets, max_items };
    let starter = Starter::of(&spec.name, &options);
    let body_signature = Scheme::built_in(BODY_SIGNATURE).map_err(OptionsError)?;
    Ok(Built {
        handlers: vec![Arc::new(handler::Runs { purpose, registration_grace, collector })],
        registry: Some(Arc::new(handler::ExpectedRuns { source: spec.name.clone(), dispatch_ttl })),
        api: Some(Arc::new(api::Runs(starter))),
        maintenance: None,
        memory,
        warnings,
        provider: Arc::new(Apify { options, body_signature }),
    })
}

/// The result of verifying a token.
struct VerifiedToken {
    proof: Proof,
    claims: Bytes,
    late: Option<i64>,
}

impl Apify {
    const NAME: &str = "apify";

    fn check_origin(&self, head: &RequestHead) -> Result<(), Refusal> {
        let origin = match head.headers.single(ORIGIN)? {
            Some(origin) => Some(origin),
            None => head.headers.single(REFERER)?,
        };
        let Some(origin) = origin else { return Ok(()) };
        let url = Url::parse(origin).ok();
        let host = url.as_ref().and_then(Url::host_str);
        let listed =
            |host: &str| self.options.allowed_origins.iter().any(|allowed| allowed == host);
        if host.is_some_and(listed) { Ok(()) } else { Err(Refusal::NotAllowed("the origin")) }
    }

    /// Requires a token or a body signature; if both are present, both must be valid.
    fn enforce(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        let head = request.head();
        let signed = head
            .headers
            .has(SIGNATURE)
            .then(|| request.signed(&self.body_signature))
            .transpose()?;
        // The body is parsed last: an invalid token in the head costs no parsing.
        let in_head = token_in_head(head)?;
        let mut verified_token =
            in_head.as_deref().map(|token| self.verify_token(request, token)).transpose()?;
        if let Some(in_body) = request.token_in_body(TOKEN_FIELD) {
            match in_head {
                Some(in_head) if in_head != in_body => return Err(Refusal::Malformed(TOKEN)),
                Some(_) => {}
                None => verified_token = Some(self.verify_token(request, &in_body)?),
            }
        }
        match (signed, verified_token) {
            (None, None) => Err(Refusal::Missing(TOKEN)),
            (Some(proof), None) => Ok(proof),
            (signed, Some(verified_token)) => {
                let proof =
                    signed.unwrap_or(verified_token.proof).with_claims(verified_token.claims);
                Ok(match verified_token.late {
                    Some(seconds) => proof.past_its_time(seconds),
                    None => proof,
                })
            }
        }
    }

    /// The shared secret in the header or in the query; if both are present, they must be equal.
    fn presented_secret<'h>(
        shared: &'h SharedSecret,
        head: &'h RequestHead,
    ) -> Result<Cow<'h, str>, Refusal> {
        let header = shared.header();
        let in_header = head.headers.single(header)?.map(|value| {
            // The scheme is part of the header, not of the secret.
            let bearer = value.split_once(' ').filter(|_| header == AUTHORIZATION);
            let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            Cow::Borrowed(bearer.map_or(value, |(_, secret)| secret.trim_start()))
        });
        let in_query = shared.query.iter().flat_map(|name| head.parameter(name));
        let mut candidates = in_header.into_iter().chain(in_query);
        let first = candidates.next().ok_or(Refusal::Missing(header))?;
        if candidates.any(|other| other != first) {
            return Err(Refusal::Malformed(header));
        }
        Ok(first)
    }

    /// Verifies a token: its MAC first, before anything in it is read.
    fn verify_token(
        &self,
        request: &VerifyContext<'_>,
        text: &str,
    ) -> Result<VerifiedToken, Refusal> {
        let token = token::Token::split(text).ok_or(Refusal::Malformed(TOKEN))?;
        let proof = request.vouched_by_token(token.signed.as_bytes(), token.mac)?;
        let (claims, json) = token.claims().ok_or(Refusal::Malformed(TOKEN))?;
        if claims.purpose != self.options.purpose.claim() {
            return Err(Refusal::NotAllowed("the purpose"));
        }
        let unbounded = Window { max_age: i64::MAX, max_future: MAX_FUTURE };
        let age = unbounded.check(claims.iat, request.now())?;
        Ok(VerifiedToken {
            proof: proof.with_skew(age),
            claims: json,
            late: Some(age - self.options.token_ttl).filter(|beyond| *beyond > 0),
        })
    }
}

/// The token in the header or in the query; if both are present, they must be equal.
fn token_in_head(head: &RequestHead) -> Result<Option<String>, Refusal> {
    let header = head.headers.token(TOKEN)?.map(str::to_owned);
    let in_query = head.parameter(TOKEN_PARAMETER).map(Cow::into_owned);
    let mut tokens = header.into_iter().chain(in_query);
    let Some(token) = tokens.next() else { return Ok(None) };
    if tokens.any(|other| other != token) {
        return Err(Refusal::Malformed(TOKEN));
    }
    Ok(Some(token))
}

impl Provider for Apify {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn headers(&self) -> &'static [&'static str] {
        match &self.options.mode {
            Mode::Enforce => &[TOKEN, SIGNATURE, DISPATCH, ORIGIN, REFERER],
            Mode::Token(shared) => shared.headers,
        }
    }

    fn parameters(&self) -> Vec<&str> {
        match &self.options.mode {
            Mode::Enforce => vec![TOKEN_PARAMETER],
            Mode::Token(shared) => shared.query.iter().map(String::as_str).collect(),
        }
    }

    /// The shared secret in the query is never stored: even a wrong value may be an old secret, or
    /// that of another source.
    fn redact(&self, head: &mut RequestHead, _: &mut Bytes) {
        if matches!(&self.options.mode, Mode::Token(_)) {
            head.query = None;
        }
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[DISPATCH]
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.check_origin(head)?;
        if let Mode::Token(shared) = &self.options.mode {
            return Self::presented_secret(shared, head).map(drop);
        }
        if head.headers.has(SIGNATURE) {
            self.body_signature.precheck(head, window, now)?;
        }
        match token_in_head(head)? {
            Some(token) if token::Token::split(&token).is_none() => Err(Refusal::Malformed(TOKEN)),
            // Without one in the head it may still be in the body.
            _ => Ok(()),
        }
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.check_origin(request.head())?;
        match &self.options.mode {
            Mode::Enforce => self.enforce(request),
            Mode::Token(shared) => {
                let presented_secret = Self::presented_secret(shared, request.head())?;
                request.vouched_by_secret(presented_secret.as_bytes(), &[DISPATCH])
            }
        }
    }

    fn signed_time(&self) -> SignedTime {
        match &self.options.mode {
            Mode::Enforce => SignedTime::Timestamp,
            Mode::Token(_) => SignedTime::None,
        }
    }

    fn scheme(&self, head: &RequestHead) -> Option<&Arc<Scheme>> {
        head.headers.has(SIGNATURE).then_some(&self.body_signature)
    }

    fn claimed_proofs(&self, request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        if let Mode::Token(shared) = &self.options.mode {
            let presented_secret = Self::presented_secret(shared, request.head()).ok();
            return presented_secret
                .map(|value| ProofMethod::Repeated(value.as_bytes().to_vec()))
                .into_iter()
                .collect();
        }
        let in_head = token_in_head(request.head()).ok().flatten();
        let token = in_head.or_else(|| request.token_in_body(TOKEN_FIELD));
        let token = token.as_deref().and_then(token::Token::split);
        let token = token.map(|token| ProofMethod::Token {
            signed: token.signed.as_bytes().to_vec(),
            mac: token.mac,
        });
        let signature = request.head().headers.has(SIGNATURE);
        let signature = signature.then(|| ProofMethod::Signature(&self.body_signature));
        signature.into_iter().chain(token).collect()
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        let event = match payload::read(request.body()) {
            Ok(event) => event,
            Err(error) => return Classified::Quarantined(Quarantined::from(error)),
        };
        let claims = request.claims().and_then(|claims| Claims::read(claims));
        let digest = request.body_digest();
        let dispatch = request.header(DISPATCH).filter(|id| is_dispatch(id));
        let key = match (&claims, dispatch) {
            // The token's run is part of the key: otherwise the holder of one run's token could
            // block another run's webhook by sending its body first.
            (Some(claims), _) => {
                EventKey::Signed([&claims.run_key.as_bytes()[..], &digest].concat())
            }
            (None, Some(id)) => EventKey::Signed([b"dispatch ", id.as_bytes()].concat()),
            (None, None) => EventKey::BodyDigest(digest),
        };
        let lane = claims.map(|claims| claims.run_key.to_string()).or(event.subject);
        Classified::Event(EventMeta {
            event_type: event.kind.into(),
            key,
            lane: lane.map(|run| Lane::of(&[&run])),
            occurred_at: event.created_at,
        })
    }
}

/// Whether a dispatch id is plausible enough to be a deduplication key.
fn is_dispatch(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
