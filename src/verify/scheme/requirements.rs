//! What a request must have, beside its signature, and what it must not have.

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::alternatives::KIND;
use super::{Condition, EventMethod, Scheme, Values};
use crate::verify::{Proof, Refusal};

/// What is refused if it differs, or if it is there, for explanations.
pub(in crate::verify) const REQUIRED: &str = "a value that the source requires";
pub(in crate::verify) const UNCOVERED: &str = "a part that the signature does not cover";

impl Scheme {
    /// Checks that the content of a request without a body is its query, which is signed.
    pub(super) fn check_method(&self, values: &Values<'_>) -> Result<(), Refusal> {
        if self.method == EventMethod::Post {
            return Ok(());
        }
        let target = values.head.target.as_deref();
        let is_right = target.is_some_and(|target| {
            target.method == self.method.as_str()
                && values.body().is_some_and(|body| *body == target.sorted_query())
        });
        if is_right { Ok(()) } else { Err(Refusal::Mismatch) }
    }

    /// Checks that the request is signed in this way, and that the source accepts it.
    pub(super) fn check_kind(&self, values: &Values<'_>) -> Result<(), Refusal> {
        if !self.when.is_empty() && !holds(&self.when, values)? {
            return Err(Refusal::Missing(KIND));
        }
        if self.disabled.is_some() {
            self.field.texts(values)?;
        }
        self.check_enabled()
    }

    pub(super) fn check_enabled(&self) -> Result<(), Refusal> {
        self.disabled.map_or(Ok(()), |option| Err(Refusal::NotEnabled(option)))
    }

    /// Checks what a proven request must contain, and what it must not.
    pub(super) fn check_content(&self, values: Values<'_>, proof: &Proof) -> Result<(), Refusal> {
        if self.has_one_field && !self.is_one_field(&values) {
            return Err(Refusal::NotAllowed(UNCOVERED));
        }
        if self.require.is_empty() && self.absent.is_empty() {
            // The usual case, in which the claims need not be read again.
            return Ok(());
        }
        let claims = proof.claims.as_ref().and_then(|claims| serde_json::from_slice(claims).ok());
        let values = values.with_claims(claims.as_ref());
        if !holds(&self.require, &values)? {
            return Err(Refusal::NotAllowed(REQUIRED));
        }
        if self.absent.iter().any(|pointer| values.has(pointer)) {
            return Err(Refusal::NotAllowed(UNCOVERED));
        }
        Ok(())
    }

    /// Whether a form has the document and nothing else.
    fn is_one_field(&self, values: &Values<'_>) -> bool {
        let is_document = |(name, _): &(String, String)| Some(name) == self.payload.as_ref();
        values.body().is_none_or(Bytes::is_empty)
            || matches!(values.fields(), Ok([field]) if is_document(field))
    }
}

/// Whether a request has all these values.
fn holds(conditions: &[Condition], values: &Values<'_>) -> Result<bool, Refusal> {
    for (any, template) in conditions {
        let expected = template.render(values)?;
        let found = any.iter().find_map(|value| values.get(value).ok());
        if found.is_none_or(|found| !bool::from(found.ct_eq(&expected))) {
            return Ok(false);
        }
    }
    Ok(true)
}
