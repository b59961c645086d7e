//! Who acts, and what they may do. Every function of [`operator`](super) that does something for
//! somebody takes a [`Caller`]: what is asked for by console, API or command line passes the same
//! check in the same place.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::AdminError;
use crate::store::AuditMore;

/// One thing that a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See what was received and its outcome, without payloads.
    EventsRead,
    /// See payloads: bodies, kept headers, error texts of handlers.
    PayloadRead,
    /// Replay, discard, free lanes, save as fixtures.
    EventsReplay,
    /// Edit a body that a sender sent, and have it delivered: with [`Scope::PayloadRead`].
    EventsEdit,
    /// Pause and resume sources, handlers and destinations; say which repositories a source is
    /// sent.
    SourcesWrite,
    /// See rejected requests that are kept, and verify them again.
    SecretsWrite,
    /// Everything, and who else may: users, keys, the audit log; the master keys.
    Admin,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

/// Who acts. It is made where somebody is recognised: by a session, an API key, or the account that
/// runs the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    actor: String,
    tenant: Option<String>,
    scopes: Scopes,
    address: Option<IpAddr>,
}

/// The caller may not do this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scope `{0}` required")]
pub struct Denied(pub Scope);

/// An unknown scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{0}`; expected one of {known}", known = Scope::words())]
pub struct UnknownScope(String);

impl Scope {
    /// Every one, the least first.
    pub const ALL: [Self; 7] = [
        Self::EventsRead,
        Self::PayloadRead,
        Self::EventsReplay,
        Self::EventsEdit,
        Self::SourcesWrite,
        Self::SecretsWrite,
        Self::Admin,
    ];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::PayloadRead => "payload:read",
            Self::EventsReplay => "events:replay",
            Self::EventsEdit => "events:edit",
            Self::SourcesWrite => "sources:write",
            Self::SecretsWrite => "secrets:write",
            Self::Admin => "admin",
        }
    }

    fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == word);
        found.ok_or_else(|| UnknownScope(word.to_owned()))
    }
}

impl Scopes {
    /// Everything.
    pub fn all() -> Self {
        Self::from_iter(Scope::ALL)
    }

    /// Whether it is among them; who has [`Scope::Admin`] has all.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// Those that were given, the least first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl Caller {
    /// Somebody who was recognised. `tenant` is the only one whose things they see; `None` for who
    /// sees all.
    pub fn new(actor: impl Into<String>, tenant: Option<String>, scopes: Scopes) -> Self {
        Self { actor: actor.into(), tenant, scopes, address: None }
    }

    /// The same, as they ask from this address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The same, who may do nothing any more.
    #[must_use]
    pub fn without_scopes(self) -> Self {
        Self { scopes: Scopes::default(), ..self }
    }

    /// Whoever runs the command line beside the database: they could do anything there anyway.
    pub fn local(actor: impl Into<String>) -> Self {
        Self::new(actor, None, Scopes::all())
    }

    /// Their name in the audit log.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The only tenant whose things they see; `None` for all.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The address that they ask from; `None` for the command line.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What they may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Whether it is the same somebody, with the same rights, wherever they ask from.
    pub fn may_as(&self, other: &Self) -> bool {
        (&self.actor, &self.tenant, self.scopes) == (&other.actor, &other.tenant, other.scopes)
    }

    /// Whether they may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    /// Lets them do this, or not.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn needs(&self, scope: Scope) -> Result<(), Denied> {
        if self.may(scope) { Ok(()) } else { Err(Denied(scope)) }
    }

    /// Lets them do this to what is of all tenants together, or not.
    ///
    /// # Errors
    /// [`AdminError::Denied`]; [`AdminError::AllTenants`] for who sees one.
    pub fn needs_over_all(&self, scope: Scope) -> Result<(), AdminError> {
        self.needs(scope)?;
        if self.tenant.is_some() { Err(AdminError::AllTenants) } else { Ok(()) }
    }

    /// What the audit log says about them beyond their name.
    pub fn audit_more(&self) -> AuditMore<'_> {
        AuditMore { tenant: self.tenant(), address: self.address, ..AuditMore::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_admin_has_all_and_who_has_one_has_no_other() {
        let admin = Scopes::from_iter([Scope::Admin]);
        assert!(Scope::ALL.into_iter().all(|scope| admin.has(scope)));
        for one in Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin) {
            let caller = Caller::new("ada", None, Scopes::from_iter([one]));
            for other in Scope::ALL {
                let expected = if one == other { Ok(()) } else { Err(Denied(other)) };
                assert_eq!(caller.needs(other), expected);
            }
        }
    }

    #[test]
    fn a_scope_is_read_from_its_word_and_an_unknown_one_names_them_all() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        let error = "root".parse::<Scope>().unwrap_err().to_string();
        assert!(error.contains("`root`") && error.contains("events:replay"), "{error}");
    }
}
