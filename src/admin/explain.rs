//! Why a request is rejected, for who operates the source that refuses it.
//!
//! - [`Verifiers`] are the gates of the configured sources, with the secrets that only explain.
//! - A [`RecordedRequest`] is a recorded request: as HTTP or as JSON.
//! - [`explain`] holds one against the other. It changes nothing and stores nothing.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use time::OffsetDateTime;

use super::{AdminError, Caller, RecordedRequest, Scope};
use crate::verify::diagnose::{Case, Explanation, explain as explain_case};
use crate::verify::{RequestHead, Secret, SenderInfo, Verifier};

/// How each source lets requests in.
#[derive(Clone, Default)]
pub struct Verifiers {
    sources: HashMap<String, SourceVerifier>,
}

/// How one source lets requests in.
#[derive(Clone)]
pub(super) struct SourceVerifier {
    pub(super) tenant: String,
    pub(super) gate: Verifier,
    retired: Vec<Secret>,
}

/// Why a request is rejected, or that it is not; for humans and for programs. It holds
/// neither a signature nor a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The source that it was held against.
    pub source: String,
    /// Whether it is accepted.
    pub verifies: bool,
    /// The closed word under which it is refused, as in the log.
    pub reason: Option<&'static str>,
    /// The closed word of what is found, which says more.
    pub finding: &'static str,
    /// What is found, in a sentence or two.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The fingerprint of the secret that made the signature, where one did.
    pub secret: Option<String>,
    /// The time of arrival that it was judged by.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
}

impl Verifiers {
    /// Adds a source with its gate; `retired` secrets only explain.
    pub fn add(&mut self, source: &str, tenant: &str, gate: Verifier, retired: Vec<Secret>) {
        let tenant = tenant.to_owned();
        self.sources.insert(source.to_owned(), SourceVerifier { tenant, gate, retired });
    }

    /// The sources that the caller may hold a request against, by name.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without `secrets:write`.
    pub fn names(&self, caller: &Caller) -> Result<Vec<String>, AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let mine =
            |gate: &SourceVerifier| caller.tenant().is_none_or(|tenant| tenant == gate.tenant);
        let seen = self.sources.iter().filter(|(_, gate)| mine(gate));
        let mut names: Vec<String> = seen.map(|(name, _)| name.clone()).collect();
        names.sort();
        Ok(names)
    }

    /// The gate of a source that the caller may see.
    pub(super) fn of(&self, caller: &Caller, source: &str) -> Result<&SourceVerifier, AdminError> {
        let found = self.sources.get(source);
        found
            .filter(|found| caller.tenant().is_none_or(|tenant| tenant == found.tenant))
            .ok_or_else(|| AdminError::NotFound(format!("source `{source}`")))
    }
}

impl SourceVerifier {
    /// What the source's provider would have seen of a head.
    pub(super) fn head(&self, request: &RecordedRequest) -> RequestHead {
        let provider = &self.gate.provider;
        let last = request.path.as_deref().and_then(|path| path.rsplit('/').next());
        let mut head = RequestHead {
            action: provider.actions().iter().find(|action| Some(**action) == last).copied(),
            query: RequestHead::reads(&**provider, request.query.as_deref()),
            ..RequestHead::default()
        };
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            if let Some(known) = provider.headers().iter().find(|known| **known == name) {
                head.headers.push(known, Bytes::copy_from_slice(value));
            }
        }
        // A rejected request has it; it is kept with the event that the request becomes.
        let all = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        head.along = SenderInfo::kept(all);
        head
    }

    /// What it makes of a request that arrived at `at`.
    pub(super) fn explain(
        &self,
        source: &str,
        head: &RequestHead,
        body: &Bytes,
        at: OffsetDateTime,
        offered: &[Secret],
    ) -> Explained {
        let (retired, at_seconds) = (&self.retired[..], at.unix_timestamp());
        let case = Case { retired, offered, head, body, at: at_seconds };
        Explained::of(source, &explain_case(&self.gate, &case), at)
    }
}

impl Explained {
    fn of(source: &str, explanation: &Explanation, at: OffsetDateTime) -> Self {
        Self {
            source: source.to_owned(),
            verifies: explanation.verifies(),
            reason: explanation.reason,
            finding: explanation.word(),
            text: explanation.text(),
            hint: explanation.hint(),
            secret: explanation.made.as_ref().map(|made| made.secret.to_string()),
            received_at: at,
        }
    }
}

/// Says what a source makes of a request that arrived at `at`, unless the request itself says when
/// it did. `offered` secrets are tried too; they are not the source's.
///
/// # Errors
/// [`AdminError::Denied`] without `secrets:write`; [`AdminError::NotFound`] where there is no
/// such source.
pub fn explain(
    caller: &Caller,
    gates: &Verifiers,
    source: &str,
    request: &RecordedRequest,
    at: OffsetDateTime,
    offered: &[Secret],
) -> Result<Explained, AdminError> {
    caller.needs(Scope::SecretsWrite)?;
    let gate = gates.of(caller, source)?;
    let head = gate.head(request);
    Ok(gate.explain(source, &head, &request.body, request.received_at.unwrap_or(at), offered))
}
