//! Limits of sign-in attempts, and the audit log entries of failed ones.
//!
//! The reasons are in `docs/adr/0045-attempts-are-counted-by-name-and-network.md`.

use std::net::{IpAddr, Ipv6Addr};

use time::{Duration, OffsetDateTime};
use tracing::warn;
use zeroize::Zeroizing;

use super::Access;
use super::sign_in_error::SignInError;
use super::token::{is_token, random};
use crate::store::{
    AuditEntry, AuditMore, SignInAttempt, StoreError, TokenDigest, Tx, UserRow, folded,
};

/// Attempts in 15 minutes with one name from one network, or in one known browser.
const ATTEMPTS: usize = 5;
/// Attempts in 15 minutes with one name from anywhere: stops guessing from many networks, and is
/// high enough that a few clients cannot lock a user out.
const OF_A_NAME: usize = 50;
/// Attempts in 15 minutes from one network with any name: many users may share it.
const OF_A_NETWORK: usize = 30;
/// Attempts in 15 minutes of all clients behind one unlisted proxy.
const OF_A_PROXY: usize = 10 * OF_A_NETWORK;
/// How long a browser stays known after a sign-in.
const DEVICE_LASTS: Duration = Duration::days(180);
/// The maximum number of known browsers of a user.
const DEVICES: i64 = 10;
/// The maximum length of a stored `User-Agent`, in characters.
const MAX_AGENT: usize = 200;
/// The actor of failed sign-ins in the audit log.
pub(super) const ANONYMOUS: &str = "anonymous";

#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub peer: IpAddr,
    /// Which client of that address it is, if the address is an unlisted proxy that names its
    /// clients.
    pub behind: Option<u64>,
    pub agent: &'a str,
    /// The device cookie of the browser: see `BegunSession::device`.
    pub device: Option<&'a str>,
}

impl Client<'_> {
    /// A client without `User-Agent` and device cookie.
    pub fn at(peer: IpAddr) -> Self {
        Self { peer, behind: None, agent: "", device: None }
    }

    /// The keys under which attempts with any name are counted, with their limits: clients named by
    /// a proxy are counted separately, so that none exhausts the others' limit, and together.
    pub(super) fn peer_keys(&self) -> Vec<(TokenDigest, usize)> {
        let mut peer_keys = vec![(key_of(&format!("peer {}", self.network_key())), OF_A_NETWORK)];
        if self.behind.is_some() {
            peer_keys.push((key_of(&format!("clients of {}", network(self.peer))), OF_A_PROXY));
        }
        peer_keys
    }

    /// The network of the client, as a counter key.
    fn network_key(&self) -> String {
        let network = network(self.peer);
        let behind = self.behind.map(|client| format!(" client {client:x}"));
        format!("{network}{}", behind.unwrap_or_default())
    }

    /// The stored part of the `User-Agent`, which is untrusted.
    pub(super) fn stored_agent(&self) -> String {
        let agent = self.agent.chars().map(|c| if c.is_control() { ' ' } else { c });
        agent.take(MAX_AGENT).collect()
    }

    /// The device token, if it is well-formed.
    fn device(&self) -> Option<TokenDigest> {
        let shown = self.device.filter(|shown| is_token(shown));
        shown.map(|shown| TokenDigest::of(shown.as_bytes()))
    }
}

impl Access {
    /// Records a failed sign-in in the audit log; frequent ones are merged into one entry.
    pub(super) async fn note_refusal(
        &self,
        user: Option<&UserRow>,
        peer: IpAddr,
        target: &str,
        why: &str,
    ) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: ANONYMOUS,
            action: "sign-in rejected",
            target,
            reason: why,
            count: 1,
        };
        let tenant = user.and_then(|user| user.tenant.as_deref());
        let more = AuditMore { tenant, address: Some(peer), ..AuditMore::default() };
        let like = format!("{target} {} {why}", network(peer));
        if let Err(error) = self.store.audit_throttled(&like, &entry, more).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot write the rejected sign-in to the audit log"
            );
        }
    }

    /// Counts an attempt; returns the counter rows, and the key to delete after a success. In a
    /// known browser, failed attempts with this name elsewhere do not count.
    pub(super) async fn note_attempt(
        &self,
        name: &str,
        from: &Client<'_>,
        user: Option<&UserRow>,
    ) -> Result<(Vec<i64>, TokenDigest), SignInError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let device = match (from.device(), user) {
            (Some(device), Some(user)) => {
                let known = tx.is_known_device(user.id, &device, now).await?;
                known.then(|| device_key(user.id, &device))
            }
            _ => None,
        };
        let (name, place) = (folded(name), from.network_key());
        let (own, keys) = if let Some(device) = device {
            (device, vec![(device, ATTEMPTS)])
        } else {
            let own = key_of(&format!("name {name} network {place}"));
            let mut keys = vec![(own, ATTEMPTS), (key_of(&format!("name {name}")), OF_A_NAME)];
            keys.extend(from.peer_keys());
            (own, keys)
        };
        let noted = count(tx, &keys, now).await?;
        Ok((noted, own))
    }

    /// Counts a password check of a signed-in user, under a key of their own.
    pub(super) async fn note_password_check(&self, user: i64) -> Result<TokenDigest, SignInError> {
        let key = key_of(&format!("person {user}"));
        count(self.store.begin().await?, &[(key, ATTEMPTS)], self.clock.now()).await?;
        Ok(key)
    }
}

/// Counts an attempt under each of these keys, unless one has reached its limit.
async fn count(
    mut tx: Tx<'_>,
    keys: &[(TokenDigest, usize)],
    now: OffsetDateTime,
) -> Result<Vec<i64>, SignInError> {
    match tx.record_sign_in_attempt(keys, now).await? {
        SignInAttempt::Allowed(noted) => {
            tx.commit(()).await?;
            Ok(noted)
        }
        SignInAttempt::TooMany(until) => {
            Err(SignInError::TooMany { after: seconds_until(until, now) })
        }
    }
}

/// Remembers the browser of a signed-in user; returns the value of its device cookie.
pub(super) async fn remember_device(
    tx: &mut Tx<'_>,
    user: &UserRow,
    now: OffsetDateTime,
    from: &Client<'_>,
) -> Result<Zeroizing<String>, StoreError> {
    let shown = from.device.zip(from.device());
    let token = match shown {
        Some((shown, digest)) if tx.is_known_device(user.id, &digest, now).await? => {
            Zeroizing::new(shown.to_owned())
        }
        _ => random(),
    };
    let digest = TokenDigest::of(token.as_bytes());
    tx.remember_device(user.id, &digest, (now, now + DEVICE_LASTS), DEVICES).await?;
    Ok(token)
}

/// Seconds to wait, at least one.
pub(super) fn seconds_until(until: OffsetDateTime, now: OffsetDateTime) -> u64 {
    u64::try_from((until - now).whole_seconds()).unwrap_or(0).max(1)
}

fn key_of(what: &str) -> TokenDigest {
    TokenDigest::of(what.as_bytes())
}

fn device_key(user: i64, device: &TokenDigest) -> TokenDigest {
    TokenDigest::of(&[format!("device of {user} ").as_bytes(), device.as_bytes()].concat())
}

/// An IPv6 network counts as one client: a client with one of its addresses has all of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !((1 << 72) - 1))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_network_is_one_client() {
        let key = |text: &str| Client::at(text.parse().unwrap()).peer_keys();
        assert!(key("2001:db8::1") == key("2001:db8::ffff:1"));
        assert!(key("2001:db8::1") != key("2001:db9::1"));
        assert!(key("::ffff:10.0.0.1") == key("10.0.0.1"));
        assert!(key("10.0.0.1") != key("10.0.0.2"));
    }

    #[test]
    fn clients_behind_a_proxy_have_their_own_and_a_shared_limit() {
        let key = |client| {
            Client { behind: Some(client), ..Client::at([10, 0, 0, 1].into()) }.peer_keys()
        };
        let (one, other) = (key(1), key(2));
        assert!(one[0].0 != other[0].0 && one[1] == other[1]);
        assert_eq!((one[0].1, one[1].1), (OF_A_NETWORK, OF_A_PROXY));
    }
}
