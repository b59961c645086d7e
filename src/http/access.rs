//! The operator listener's door: every call but the two of health has to show an API key. What there
//! is, and what there is not, is answered alike to whoever has none.
//!
//! Whoever is let in is in the request's extensions, as a [`Caller`], for `By` in `caller.rs`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::time::Instant;
use tracing::warn;

use super::denial::Denial;
use crate::intake::Peer;
use crate::operator::{Access, Caller, ShownKey};

/// What may be called without a key: a load balancer has none.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// The door.
#[derive(Debug)]
pub struct Door {
    access: Arc<Access>,
    failures: DefaultKeyedRateLimiter<Peer>,
    /// Peers that have failed too often, and until when they have to wait.
    waiting: Mutex<HashMap<Peer, Instant>>,
}

impl Door {
    /// A door that lets in who `access` knows. A good key is not limited by the failures that a peer
    /// may have: addresses are shared.
    pub fn new(access: Arc<Access>, failures_per_minute: NonZeroU32) -> Self {
        let failures = DefaultKeyedRateLimiter::keyed(Quota::per_minute(failures_per_minute));
        Self { access, failures, waiting: Mutex::default() }
    }

    /// Who is known.
    pub(super) fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Forgets peers that have behaved for a while, and learns which keys are good: one that is
    /// known gets in however often its peer has failed. To be called now and then.
    pub async fn tidy(&self) {
        self.failures.retain_recent();
        self.failures.shrink_to_fit();
        self.waiting().retain(|_, until| *until > Instant::now());
        self.access.tidy().await;
    }

    /// Cheap first: a key that was good when we asked last, then whether the peer has to wait, and
    /// only then the database, which may know a newer one. What is good is no failure.
    async fn check(&self, key: Option<&ShownKey>, peer: Option<IpAddr>) -> Result<Caller, Denial> {
        let peer = Peer::from(peer.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        if !key.is_some_and(|key| self.access.seems_good(key)) {
            let until = self.waiting().get(&peer).copied();
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                return Err(too_many(wait));
            }
        }
        if let Some(key) = key
            && let Some(caller) = self.access.caller_of(key).await
        {
            return Ok(caller);
        }
        let Err(until) = self.failures.check_key(&peer) else { return Err(Denial::NoKey) };
        let wait = until.wait_time_from(self.failures.clock().now());
        self.waiting().insert(peer, Instant::now() + wait);
        Err(too_many(wait))
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Peer, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(wait: Duration) -> Denial {
    Denial::TooManyFailures { after: wait.as_secs().max(1) }
}

/// Lets a request in, or answers it.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    if OPEN.contains(&request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let Some(door) = request.app_data::<web::Data<Door>>().cloned() else {
        return Ok(request.into_response(Denial::NoKey.respond()).map_into_right_body());
    };
    let peer = request.peer_addr().map(|address| address.ip());
    let key = key_of(request.request());
    match door.check(key.as_ref(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(denial) => {
            warn!(
                event = "operator.denied",
                reason = denial.reason(),
                key = key.as_ref().map(ShownKey::id),
                peer = peer.map(tracing::field::display),
            );
            metrics::counter!("sealpost_operator_denied_total", "reason" => denial.reason())
                .increment(1);
            Ok(request.into_response(denial.respond()).map_into_right_body())
        }
    }
}

/// The key that a request shows: one header, `Bearer` and a word.
pub(super) fn key_of(request: &HttpRequest) -> Option<ShownKey> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (value, None) = (headers.next()?.as_bytes(), headers.next()) else { return None };
    let (scheme, key) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| ShownKey::read(key.trim_ascii())).flatten()
}
