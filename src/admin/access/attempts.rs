//! Limits of sign-in attempts, and the audit log entries of failed ones.
//!
//! `docs/adr/0045-attempts-are-counted-by-name-and-network.md` says why so.

use std::net::{IpAddr, Ipv6Addr};

use time::{Duration, OffsetDateTime};
use tracing::warn;
use zeroize::Zeroizing;

use super::Access;
use super::sessions::{Credentials, SignInError, is_token, random};
use crate::store::{Attempt, AuditEntry, AuditMore, StoreError, TokenDigest, Tx, UserRow, folded};

/// Attempts in 15 minutes with one name from one network, or in one browser that is known.
const ATTEMPTS: usize = 5;
/// Attempts in 15 minutes with one name, from anywhere: clients who guess from many networks at
/// once are stopped, and few of them cannot lock anybody out.
const OF_A_NAME: usize = 50;
/// Attempts in 15 minutes from one network, with any name: many users may share it.
const OF_A_NETWORK: usize = 30;
/// Attempts in 15 minutes of all clients together that a proxy names whose word is not trusted.
const OF_A_PROXY: usize = 10 * OF_A_NETWORK;
/// For how long a browser is known in which a user has signed in.
const DEVICE_LASTS: Duration = Duration::days(180);
/// The browsers of a user that are known.
const DEVICES: i64 = 10;
/// The maximum length of a stored `User-Agent`, in characters.
const LONGEST_AGENT: usize = 200;
/// Who tries to sign in and is rejected, in the audit log.
pub(super) const NOBODY: &str = "anonymous";

/// The client of a sign-in.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// The address.
    pub peer: IpAddr,
    /// Which client of that address it is, where the address is a proxy's whose word is not trusted
    /// and that names its clients.
    pub behind: Option<u64>,
    /// The `User-Agent`.
    pub agent: &'a str,
    /// What the browser keeps since a user signed in there: see `BegunSession::device`.
    pub device: Option<&'a str>,
}

impl Client<'_> {
    /// A request from an address, by a browser that says and keeps nothing.
    pub fn at(peer: IpAddr) -> Self {
        Self { peer, behind: None, agent: "", device: None }
    }

    /// What attempts with any name count against, and how many may: clients that a proxy names are
    /// counted each by themselves, so that none uses up what others have, and all together.
    pub(super) fn places(&self) -> Vec<(TokenDigest, usize)> {
        let mut places = vec![(key_of(&format!("peer {}", self.place())), OF_A_NETWORK)];
        if self.behind.is_some() {
            places.push((key_of(&format!("clients of {}", network(self.peer))), OF_A_PROXY));
        }
        places
    }

    /// Where it is, as attempts count.
    fn place(&self) -> String {
        let network = network(self.peer);
        let behind = self.behind.map(|client| format!(" client {client:x}"));
        format!("{network}{}", behind.unwrap_or_default())
    }

    /// The stored part of the `User-Agent`, which is untrusted.
    pub(super) fn stored_agent(&self) -> String {
        let agent = self.agent.chars().map(|c| if c.is_control() { ' ' } else { c });
        agent.take(LONGEST_AGENT).collect()
    }

    /// What it keeps, if it has the shape of that.
    fn device(&self) -> Option<TokenDigest> {
        let shown = self.device.filter(|shown| is_token(shown));
        shown.map(|shown| TokenDigest::of(shown.as_bytes()))
    }
}

impl Access {
    /// Records in the audit log that a user was rejected; often as one entry.
    pub(super) async fn note_refusal(
        &self,
        user: Option<&UserRow>,
        peer: IpAddr,
        target: &str,
        why: &str,
    ) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: NOBODY,
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

    /// Counts an attempt; gives the rows by which it was, and the key under which it is deleted
    /// when it ends well. In a browser in which the user has signed in before, what clients do
    /// with the name does not count.
    pub(super) async fn note_attempt(
        &self,
        given: &Credentials<'_>,
        user: Option<&UserRow>,
    ) -> Result<(Vec<i64>, TokenDigest), SignInError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let device = match (given.from.device(), user) {
            (Some(device), Some(user)) => {
                let known = tx.knows_device(user.id, &device, now).await?;
                known.then(|| device_key(user.id, &device))
            }
            _ => None,
        };
        let (name, place) = (folded(given.name), given.from.place());
        let (own, keys) = if let Some(device) = device {
            (device, vec![(device, ATTEMPTS)])
        } else {
            let own = key_of(&format!("name {name} network {place}"));
            let mut keys = vec![(own, ATTEMPTS), (key_of(&format!("name {name}")), OF_A_NAME)];
            keys.extend(given.from.places());
            (own, keys)
        };
        let noted = count(tx, &keys, now).await?;
        Ok((noted, own))
    }

    /// Counts an attempt of a user who is signed in to give their password once more: only they
    /// can use it up.
    pub(super) async fn note_recheck(&self, user: i64) -> Result<TokenDigest, SignInError> {
        let key = key_of(&format!("person {user}"));
        count(self.store.begin().await?, &[(key, ATTEMPTS)], self.clock.now()).await?;
        Ok(key)
    }
}

/// Counts an attempt under each of these keys, of which none may have had too many.
async fn count(
    mut tx: Tx<'_>,
    keys: &[(TokenDigest, usize)],
    now: OffsetDateTime,
) -> Result<Vec<i64>, SignInError> {
    match tx.attempt(keys, now).await? {
        Attempt::Allowed(noted) => {
            tx.commit(()).await?;
            Ok(noted)
        }
        Attempt::TooMany(until) => Err(SignInError::TooMany { after: seconds_until(until, now) }),
    }
}

/// Knows the browser from now on in which a user has signed in; gives what it is to keep.
pub(super) async fn remember_device(
    tx: &mut Tx<'_>,
    user: &UserRow,
    now: OffsetDateTime,
    from: &Client<'_>,
) -> Result<Zeroizing<String>, StoreError> {
    let shown = from.device.zip(from.device());
    let token = match shown {
        Some((shown, digest)) if tx.knows_device(user.id, &digest, now).await? => {
            Zeroizing::new(shown.to_owned())
        }
        _ => random(),
    };
    let digest = TokenDigest::of(token.as_bytes());
    tx.know_device(user.id, &digest, (now, now + DEVICE_LASTS), DEVICES).await?;
    Ok(token)
}

/// For how long to stay away, at least a second.
pub(super) fn seconds_until(until: OffsetDateTime, now: OffsetDateTime) -> u64 {
    u64::try_from((until - now).whole_seconds()).unwrap_or(0).max(1)
}

fn key_of(what: &str) -> TokenDigest {
    TokenDigest::of(what.as_bytes())
}

fn device_key(user: i64, device: &TokenDigest) -> TokenDigest {
    TokenDigest::of(&[format!("device of {user} ").as_bytes(), device.as_bytes()].concat())
}

/// An IPv6 network counts as one: who has one address of it has all.
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
    fn an_ipv6_network_is_one_peer() {
        let key = |text: &str| Client::at(text.parse().unwrap()).places();
        assert!(key("2001:db8::1") == key("2001:db8::ffff:1"));
        assert!(key("2001:db8::1") != key("2001:db9::1"));
        assert!(key("::ffff:10.0.0.1") == key("10.0.0.1"));
        assert!(key("10.0.0.1") != key("10.0.0.2"));
    }

    #[test]
    fn clients_behind_a_proxy_are_counted_apart_and_together() {
        let key =
            |client| Client { behind: Some(client), ..Client::at([10, 0, 0, 1].into()) }.places();
        let (one, other) = (key(1), key(2));
        assert!(one[0].0 != other[0].0 && one[1] == other[1]);
        assert_eq!((one[0].1, one[1].1), (OF_A_NETWORK, OF_A_PROXY));
    }
}
