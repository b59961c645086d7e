//! Signs as the sender does, for fixtures and test events.

use super::super::{Draft, OptionsError, SignError, Signed, SourceScheme};
use super::{definition, options};
use crate::verify::{SchemeDefinition, Schemes, ToSign};

/// Signs as the sender of this provider does.
pub(in crate::providers) fn sign(
    provider: &str,
    draft: &Draft<'_>,
    source: &SourceScheme,
) -> Result<Signed, SignError> {
    let schemes = compiled(provider, draft.options, source)?;
    let scheme = schemes.of_secret(draft.secret);
    if scheme.algorithm().is_public_key() {
        return Err(SignError::SenderOnly);
    }
    let mut headers = draft.headers.to_vec();
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), content_type(draft.body).to_owned()));
    }
    let signed = scheme
        .sign(&ToSign {
            method: scheme.method().as_str(),
            query: None,
            headers: &headers,
            body: draft.body,
            secret: draft.secret,
            at: draft.at,
        })
        .map_err(SignError::Impossible)?;
    let method = scheme.method();
    Ok(Signed { method, query: signed.query, headers: signed.headers, body: signed.body.into() })
}

/// The body of a test event with this id, before it is signed.
pub(in crate::providers) fn test_body(
    provider: &str,
    given: &toml::Table,
    source: &SourceScheme,
    id: &str,
) -> Result<Vec<u8>, SignError> {
    Ok(compiled(provider, given, source)?.main().test_body(id))
}

/// Whether only the sender can sign.
pub(in crate::providers) fn is_sender_only(provider: &str, source: &SourceScheme) -> bool {
    definition(provider, source).is_ok_and(|(definition, _)| definition.is_sender_only())
}

/// Whether the sender requires a response of its own to every event.
pub(in crate::providers) fn has_own_answer(provider: &str, source: &SourceScheme) -> bool {
    let has_answer = |(definition, _): (SchemeDefinition, _)| definition.answer.is_some();
    definition(provider, source).is_ok_and(has_answer)
}

/// The schemes of a source, which others than the sender can sign by.
fn compiled(
    provider: &str,
    given: &toml::Table,
    source: &SourceScheme,
) -> Result<Schemes, SignError> {
    let (definition, described) = definition(provider, source)?;
    if definition.is_sender_only() {
        return Err(SignError::SenderOnly);
    }
    let options = options(given, &described, source.public_url.as_ref())?;
    Ok(Schemes::compile(&definition, &options.scheme).map_err(OptionsError)?)
}

fn content_type(body: &[u8]) -> &'static str {
    match body.first() {
        Some(b'{' | b'[') | None => "application/json",
        Some(_) => "application/x-www-form-urlencoded",
    }
}
