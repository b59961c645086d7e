//! Callers and their scopes. Every function of [`admin`](super) that acts for somebody takes a
//! [`Caller`], so that console, API and command line pass the same check in the same place.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use strum::VariantArray;
use utoipa::ToSchema;

use super::AdminError;
use crate::store::AuditMore;

/// A permission; `admin` includes all others.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[strum(parse_err_ty = UnknownScope, parse_err_fn = unknown_scope)]
pub enum Scope {
    /// Read events and their outcome, without payloads.
    #[serde(rename = "events:read")]
    #[strum(serialize = "events:read")]
    EventsRead,
    /// Read payloads: bodies, kept headers, error texts of handlers.
    #[serde(rename = "payload:read")]
    #[strum(serialize = "payload:read")]
    PayloadRead,
    /// Replay, discard, unblock lanes, save as fixtures.
    #[serde(rename = "events:replay")]
    #[strum(serialize = "events:replay")]
    EventsReplay,
    /// Edit a body and have it delivered; also requires [`Scope::PayloadRead`].
    #[serde(rename = "events:edit")]
    #[strum(serialize = "events:edit")]
    EventsEdit,
    /// Erase the payload of events.
    #[serde(rename = "events:erase")]
    #[strum(serialize = "events:erase")]
    EventsErase,
    /// Pause and resume sources, handlers and destinations; register repositories.
    #[serde(rename = "sources:write")]
    #[strum(serialize = "sources:write")]
    SourcesWrite,
    /// Read and reprocess rejected requests.
    #[serde(rename = "secrets:write")]
    #[strum(serialize = "secrets:write")]
    SecretsWrite,
    /// Everything, including users, API keys, the audit log and the master keys.
    #[serde(rename = "admin")]
    #[strum(serialize = "admin")]
    Admin,
}

/// A set of scopes; in JSON a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

/// Who makes a request: identified by a session, an API key, or the account that runs the command
/// line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    actor: String,
    tenant: Option<String>,
    scopes: Scopes,
    address: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scope `{0}` required")]
pub struct Denied(pub Scope);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`; expected one of {known}", known = known_scopes())]
pub struct UnknownScope(String);

fn unknown_scope(word: &str) -> UnknownScope {
    UnknownScope(word.to_owned())
}

fn known_scopes() -> String {
    let words: Vec<&str> = Scope::VARIANTS.iter().copied().map(Scope::as_str).collect();
    words.join(", ")
}

impl Scope {
    /// The word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Scopes {
    pub fn all() -> Self {
        Scope::VARIANTS.iter().copied().collect()
    }

    /// Whether this scope is included; [`Scope::Admin`] includes all.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// The granted scopes, in the order of [`Scope`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::VARIANTS.iter().copied().filter(move |scope| self.0 & scope.bit() != 0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

impl Caller {
    /// An identified caller, limited to `tenant`; `None` for all tenants.
    pub fn new(actor: impl Into<String>, tenant: Option<String>, scopes: Scopes) -> Self {
        Self { actor: actor.into(), tenant, scopes, address: None }
    }

    /// The caller with a client address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    #[must_use]
    pub fn without_scopes(self) -> Self {
        Self { scopes: Scopes::default(), ..self }
    }

    /// The user of the command line. They have access to the database, so they have all scopes.
    pub fn local(actor: impl Into<String>) -> Self {
        Self::new(actor, None, Scopes::all())
    }

    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The tenant the caller is limited to; `None` for all tenants.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The client address; `None` for the command line.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Whether both have the same name, tenant and scopes; the address may differ.
    pub fn may_as(&self, other: &Self) -> bool {
        (&self.actor, &self.tenant, self.scopes) == (&other.actor, &other.tenant, other.scopes)
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    pub fn needs(&self, scope: Scope) -> Result<(), Denied> {
        if self.may(scope) { Ok(()) } else { Err(Denied(scope)) }
    }

    /// Requires a scope and access to all tenants.
    ///
    /// # Errors
    /// [`AdminError::AllTenants`] for a caller limited to one tenant.
    pub fn needs_over_all(&self, scope: Scope) -> Result<(), AdminError> {
        self.needs(scope)?;
        if self.tenant.is_some() { Err(AdminError::AllTenants) } else { Ok(()) }
    }

    /// The tenant and address of the caller, for the audit log.
    pub fn audit_more(&self) -> AuditMore<'_> {
        AuditMore { tenant: self.tenant(), address: self.address, ..AuditMore::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_includes_all_scopes_and_others_only_themselves() {
        let all = Scope::VARIANTS.iter().copied();
        let admin = Scopes::from_iter([Scope::Admin]);
        assert!(all.clone().all(|scope| admin.has(scope)));
        for one in all.clone().filter(|scope| *scope != Scope::Admin) {
            let caller = Caller::new("ada", None, Scopes::from_iter([one]));
            for other in all.clone() {
                let expected = if one == other { Ok(()) } else { Err(Denied(other)) };
                assert_eq!(caller.needs(other), expected);
            }
        }
    }

    #[test]
    fn scopes_have_one_word_in_text_and_json() {
        for scope in Scope::VARIANTS.iter().copied() {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        let json = serde_json::to_string(&Scopes::all()).unwrap();
        assert_eq!(serde_json::from_str::<Scopes>(&json).unwrap(), Scopes::all());
        let error = "root".parse::<Scope>().unwrap_err().to_string();
        assert!(error.contains("`root`") && error.contains("events:replay"), "{error}");
    }
}
