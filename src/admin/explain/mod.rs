//! Explains why a source rejects a request.
//!
//! - [`Verifiers`] are the verifiers of the configured sources, with their retired secrets, which
//!   are used for explanations only.
//! - A [`RecordedRequest`] is read from HTTP or JSON.
//! - [`explain`] checks one against a source. It changes and stores nothing.

mod model;

use std::collections::HashMap;

use bytes::Bytes;
pub use model::Explanation;
use time::OffsetDateTime;

use super::{AdminError, Caller, RecordedRequest, Scope};
use crate::near_names;
use crate::verify::diagnose::{Case, explain as explain_case};
use crate::verify::{EventMethod, RequestHead, Secret, SenderInfo, Target, Verifier};

#[derive(Clone, Default)]
pub struct Verifiers {
    sources: HashMap<String, SourceVerifier>,
}

#[derive(Clone)]
pub(super) struct SourceVerifier {
    pub(super) tenant: String,
    pub(super) verifier: Verifier,
    retired: Vec<Secret>,
}

impl Verifiers {
    /// Adds a source; `retired` secrets are used for explanations only.
    pub fn add(&mut self, source: &str, tenant: &str, verifier: Verifier, retired: Vec<Secret>) {
        let tenant = tenant.to_owned();
        self.sources.insert(source.to_owned(), SourceVerifier { tenant, verifier, retired });
    }

    /// The sources visible to the caller.
    pub fn names(&self, caller: &Caller) -> Result<Vec<String>, AdminError> {
        caller.needs(Scope::SecretsWrite)?;
        let visible = self.sources.iter().filter(|(_, source)| source.is_visible(caller));
        let mut names: Vec<String> = visible.map(|(name, _)| name.clone()).collect();
        names.sort();
        Ok(names)
    }

    /// The verifier of a source visible to the caller.
    pub(super) fn of(&self, caller: &Caller, source: &str) -> Result<&SourceVerifier, AdminError> {
        let found = self.sources.get(source);
        found.filter(|found| found.is_visible(caller)).ok_or_else(|| {
            let visible = self.sources.iter().filter(|(_, source)| source.is_visible(caller));
            let near = near_names::hint(source, visible.map(|(name, _)| name.as_str()));
            AdminError::NotFound(format!("source `{source}`{near}"))
        })
    }
}

impl SourceVerifier {
    fn is_visible(&self, caller: &Caller) -> bool {
        caller.tenant().is_none_or(|tenant| tenant == self.tenant)
    }

    /// The head of a request as the source's provider sees it.
    pub(super) fn head(&self, request: &RecordedRequest) -> RequestHead {
        let provider = &self.verifier.provider;
        let last = request.path.as_deref().and_then(|path| path.rsplit('/').next());
        let mut head = RequestHead {
            action: provider.actions().iter().find(|action| Some(**action) == last).copied(),
            query: RequestHead::reads(&**provider, request.query.as_deref()),
            // Only requests with this method are verified.
            target: provider.reads_target().then(|| {
                let method = provider.event_method().as_str().to_owned();
                Box::new(Target { method, query: request.query.clone() })
            }),
            ..RequestHead::default()
        };
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            if let Some(known) = provider.headers().iter().find(|known| **known == name) {
                head.headers.push(known, Bytes::copy_from_slice(value));
            }
        }
        head.sender_info = match provider.event_method() {
            EventMethod::Get => SenderInfo::new(Some(SenderInfo::FORM), None),
            EventMethod::Post => sender_info(request),
        };
        head
    }

    /// The body of a request. One by GET has none: its content is its query.
    fn body(&self, head: &RequestHead, request: &RecordedRequest) -> Bytes {
        match (self.verifier.provider.event_method(), &head.target) {
            (EventMethod::Get, Some(target)) => Bytes::from(target.sorted_query()),
            _ => request.body.clone(),
        }
    }

    fn explain(
        &self,
        source: &str,
        head: &RequestHead,
        body: &Bytes,
        at: OffsetDateTime,
        offered: &[Secret],
    ) -> Explanation {
        let (retired, at_seconds) = (&self.retired[..], at.unix_timestamp());
        let case = Case { retired, offered, head, body, at: at_seconds };
        Explanation::new(source, &explain_case(&self.verifier, &case), at)
    }
}

/// What a request says about itself. A stored one has it under names of its own; it is kept with the
/// event if the request is accepted later. A recorded one has the headers, of which the type of the
/// body decides what is signed.
fn sender_info(request: &RecordedRequest) -> SenderInfo {
    let all = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    if all.clone().any(|(name, _)| SenderInfo::is_name(name)) {
        return SenderInfo::restore(all);
    }
    let value = |wanted: &str| {
        let mut lines = all.clone();
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    SenderInfo::new(value("content-type"), value("user-agent"))
}

/// Explains how a source judges a request that arrived at `at`, unless the request has a time of
/// its own. `offered` are additional secrets to try.
pub fn explain(
    caller: &Caller,
    verifiers: &Verifiers,
    source: &str,
    request: &RecordedRequest,
    at: OffsetDateTime,
    offered: &[Secret],
) -> Result<Explanation, AdminError> {
    caller.needs(Scope::SecretsWrite)?;
    let verifier = verifiers.of(caller, source)?;
    let (head, at) = (verifier.head(request), request.received_at.unwrap_or(at));
    let body = verifier.body(&head, request);
    Ok(verifier.explain(source, &head, &body, at, offered))
}
