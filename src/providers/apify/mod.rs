//! Apify: runs of its actors, which say by webhook how they end.
//!
//! Apify signs nothing. What proves a request is one of
//!
//! - a *token* that the application minted when it started the run, and Apify repeats: in the
//!   header `x-webhook-signed-payload`, the body's field `signedPayload` or the query's
//!   `signed_payload`. It vouches for the request; the body is unsigned and says nothing beyond
//!   what the token claims. Past its time it still counts while the register awaits the run.
//! - a *body signature*, `x-apify-webhook-signature: t=…,v1=…`, for relays of our own. Where both
//!   are there both must hold.
//! - with `mode = "token"`, a shared secret in a header or a parameter of the query, which proves
//!   that the sender knows it and nothing about this request.
//!
//! `Origin` and `Referer`, if there, must name an allowed host: no proof, but no forged form
//! either. The dispatch id that Apify sends is unsigned, so a webhook that comes again is told by
//! its body. Only in mode `token`, where nothing else is signed either, the dispatch id counts: a
//! template of one's own may make the same body of two runs.

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
    Classified, EventKey, EventMeta, Lane, Layout, Part, Proof, ProofMethod, Provider, Quarantined,
    Refusal, RequestHead, Scheme, Time, UnixSeconds, VerifiedRequest, VerifyContext, Window,
};
pub use options::Purpose;
use options::{Mode, Options, SharedSecret};
pub use platform::Platform;
use results::{Collector, Datasets};
use start::Starter;
use token::Claims;

/// Apify's entry in the catalogue.
pub const ENTRY: Entry = Entry {
    name: Apify::NAME,
    summary: "Apify actor runs: a signed token per run, or a body signature",
    tables: &["apify_runs", "apify_posts", "apify_metrics", "apify_verifications", "apify_usage"],
    max_body: SMALL_BODY,
    // Apify tries again for a day and more, with what was signed at first.
    max_age: Duration::from_hours(1),
    secret_prefix: None,
    pace: Pace::PATIENT_SENDER,
    chunk: None,
    api: Some(api::described),
    build,
    sign: sign::sign,
};

const TOKEN: &str = "x-webhook-signed-payload";
const TOKEN_FIELD: &str = "signedPayload";
const TOKEN_PARAMETER: &str = "signed_payload";
const SIGNATURE: &str = "x-apify-webhook-signature";
const DISPATCH: &str = "x-apify-webhook-dispatch-id";
const AUTHORIZATION: &str = "authorization";
const ORIGIN: &str = "origin";
const REFERER: &str = "referer";
/// How far ahead of ours the clock may be that a token was minted by, in seconds.
const MAX_FUTURE: i64 = 300;

static BODY_SIGNATURE: Scheme = Scheme {
    header: SIGNATURE,
    layout: Layout::Pairs { time: "t", signature: "v1" },
    time: Time::InSignature,
    transcript: &[Part::Timestamp, Part::Text(".")],
};

struct Apify {
    options: Options,
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
    Ok(Built {
        handlers: vec![Arc::new(handler::Runs { purpose, registration_grace, collector })],
        registry: Some(Arc::new(handler::Register { source: spec.name.clone(), dispatch_ttl })),
        api: Some(Arc::new(api::Runs(starter))),
        maintenance: None,
        memory,
        warnings,
        provider: Arc::new(Apify { options }),
    })
}

/// What a token that holds says.
struct Vouched {
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

    /// A token or a body signature; where both are there, both.
    fn enforce(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        let head = request.head();
        let signed =
            head.headers.has(SIGNATURE).then(|| request.signed(&BODY_SIGNATURE)).transpose()?;
        // The body is looked into last: a bad token in the head costs no parsing.
        let in_head = token_in_head(head)?;
        let mut vouched = in_head.as_deref().map(|token| self.vouch(request, token)).transpose()?;
        if let Some(in_body) = request.token_in_body(TOKEN_FIELD) {
            match in_head {
                Some(in_head) if in_head != in_body => return Err(Refusal::Malformed(TOKEN)),
                Some(_) => {}
                None => vouched = Some(self.vouch(request, &in_body)?),
            }
        }
        match (signed, vouched) {
            (None, None) => Err(Refusal::Missing(TOKEN)),
            (Some(proof), None) => Ok(proof),
            (signed, Some(vouched)) => {
                let proof = signed.unwrap_or(vouched.proof).with_claims(vouched.claims);
                Ok(match vouched.late {
                    Some(seconds) => proof.past_its_time(seconds),
                    None => proof,
                })
            }
        }
    }

    /// The shared secret that a request presents, in the header or in the query; in both it must be
    /// the same.
    fn presented<'h>(
        shared: &'h SharedSecret,
        head: &'h RequestHead,
    ) -> Result<Cow<'h, str>, Refusal> {
        let header = shared.header();
        let in_header = head.headers.single(header)?.map(|value| {
            // The scheme belongs to the header, not to the secret.
            let bearer = value.split_once(' ').filter(|_| header == AUTHORIZATION);
            let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            Cow::Borrowed(bearer.map_or(value, |(_, secret)| secret.trim_start()))
        });
        let in_query = shared.query.iter().flat_map(|name| head.parameter(name));
        let mut presented = in_header.into_iter().chain(in_query);
        let first = presented.next().ok_or(Refusal::Missing(header))?;
        if presented.any(|other| other != first) {
            return Err(Refusal::Malformed(header));
        }
        Ok(first)
    }

    /// Checks a token: its MAC first, and nothing in it is looked at before that holds.
    fn vouch(&self, request: &VerifyContext<'_>, text: &str) -> Result<Vouched, Refusal> {
        let token = token::Token::split(text).ok_or(Refusal::Malformed(TOKEN))?;
        let proof = request.vouched_by_token(token.signed.as_bytes(), token.mac)?;
        let (claims, json) = token.claims().ok_or(Refusal::Malformed(TOKEN))?;
        if claims.purpose != self.options.purpose.claim() {
            return Err(Refusal::NotAllowed("the purpose"));
        }
        let unbounded = Window { max_age: i64::MAX, max_future: MAX_FUTURE };
        let age = unbounded.check(claims.iat, request.now())?;
        Ok(Vouched {
            proof: proof.with_skew(age),
            claims: json,
            late: Some(age - self.options.token_ttl).filter(|beyond| *beyond > 0),
        })
    }
}

/// The token in the header or the query; in both it must be the same.
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

    /// The shared secret in the query is not kept, whatever else is: the value may be one that was
    /// right yesterday, or is at another source.
    fn redact(&self, head: &mut RequestHead) {
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
            return Self::presented(shared, head).map(drop);
        }
        if head.headers.has(SIGNATURE) {
            BODY_SIGNATURE.precheck(head, window, now)?;
        }
        match token_in_head(head)? {
            Some(token) if token::Token::split(&token).is_none() => Err(Refusal::Malformed(TOKEN)),
            // Without one in the head it may still stand in the body.
            _ => Ok(()),
        }
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.check_origin(request.head())?;
        match &self.options.mode {
            Mode::Enforce => self.enforce(request),
            Mode::Token(shared) => {
                let presented = Self::presented(shared, request.head())?;
                request.vouched_by_secret(presented.as_bytes(), &[DISPATCH])
            }
        }
    }

    fn signs_body(&self, head: &RequestHead) -> Option<&'static Scheme> {
        head.headers.has(SIGNATURE).then_some(&BODY_SIGNATURE)
    }

    fn evidence(&self, request: &VerifyContext<'_>) -> Vec<ProofMethod> {
        if let Mode::Token(shared) = &self.options.mode {
            let presented = Self::presented(shared, request.head()).ok();
            return presented
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
        let signature = signature.then_some(ProofMethod::Signature(&BODY_SIGNATURE));
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
            // The token's run is a part of the key: who holds a token of one run cannot take the
            // place of another run's webhook by sending its body first.
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

/// Whether a dispatch id can be one: no key is made of what a user could mistake for nothing.
fn is_dispatch(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
