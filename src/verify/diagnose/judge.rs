//! Judges a refusal: what is wrong with the request, given the secret that made its signature.

use super::means::{Keys, Means, Requirement};
use super::{BodyFault, Case, Finding, HeaderFormat, SignedBy, TimeFault, read};
use crate::verify::scheme::TimeUnit;
use crate::verify::{ProofMethod, Refusal, Verifier, VerifyContext};

/// The finding for a refusal, given the secret that made the signature.
pub(super) fn finding_of(
    verifier: &Verifier,
    case: &Case<'_>,
    refusal: &Refusal,
    (made, format, means): (Option<&SignedBy>, Option<(&'static str, HeaderFormat)>, Means),
) -> Finding {
    let window = verifier.window;
    match refusal {
        Refusal::UnknownSource => Finding::AnotherSource,
        Refusal::HandshakeClosed => Finding::Handshake,
        Refusal::NoSecret => Finding::NoSecretYet,
        Refusal::Missing(header) | Refusal::Malformed(header) => {
            // A malformed signature may be elsewhere, such as in the body.
            let is_header = verifier.provider.headers().contains(header);
            if !is_header && matches!(refusal, Refusal::Missing(_)) && !is_header_name(header) {
                return Finding::Lacks(header);
            }
            if (is_header || matches!(refusal, Refusal::Missing(_)))
                && let Some(fault) = read::fault(case.head, header)
            {
                return Finding::Header(header, fault);
            }
            match (made, format) {
                (Some(made), _) if !made.is_conforming() => Finding::InvalidSignature,
                (_, Some((of, format))) if of == *header => Finding::HeaderFormat(header, format),
                _ => Finding::Shape(header),
            }
        }
        Refusal::TimestampMalformed => Finding::Timestamp(time_fault(verifier, case)),
        Refusal::Stale { seconds } => {
            Finding::Stale { beyond: *seconds, age: window.max_age.saturating_add(*seconds) }
        }
        Refusal::Future { seconds } => {
            Finding::Future { beyond: *seconds, ahead: window.max_future.saturating_add(*seconds) }
        }
        Refusal::Ambiguous(header) => Finding::Character(header),
        Refusal::NotAllowed(what) => {
            Requirement::of(what).map_or(Finding::NotAllowed(what), Finding::Differs)
        }
        Refusal::NotEnabled(option) => Finding::NotEnabled(option),
        Refusal::Late(_) => Finding::TokenExpired,
        Refusal::Mismatch => match made {
            Some(made) if made.is_conforming() && means.is_token => {
                Finding::Differs(Requirement::Url)
            }
            Some(made) if made.is_conforming() => Finding::OtherCredential,
            Some(_) => Finding::InvalidSignature,
            // A secret that is repeated says nothing about the body.
            None if matches!(means.keys, Keys::Repeated | Keys::Unknown) => Finding::NoMatch,
            None => BodyFault::of(case.body).map_or(Finding::NoMatch, Finding::Body),
        },
    }
}

/// Whether a refusal names a header: what is elsewhere has a description.
fn is_header_name(name: &str) -> bool {
    !name.contains(' ') && !matches!(name, "body" | "query")
}

/// What is wrong with the timestamp of the scheme that the request claims.
fn time_fault(verifier: &Verifier, case: &Case<'_>) -> TimeFault {
    let proofs = verifier
        .provider
        .claimed_proofs(&VerifyContext::new(verifier, case.head, case.body, case.at));
    let mut schemes = proofs.iter().filter_map(|proof| match proof {
        ProofMethod::Signature(scheme) => Some(*scheme),
        _ => None,
    });
    let Some(scheme) = schemes.next() else { return TimeFault::Number };
    if !matches!(scheme.time_unit(), Some(TimeUnit::Seconds | TimeUnit::SecondsOrMilliseconds)) {
        return TimeFault::Unit;
    }
    let Some(time) = read::timestamp(scheme, case.head, case.body) else {
        return TimeFault::Number;
    };
    let digits = time.bytes().all(|byte| byte.is_ascii_digit());
    match (digits, time.len()) {
        (true, 13) => TimeFault::Millis,
        (true, 14..) => TimeFault::Finer,
        _ if time.contains('T') || time.contains(':') || time.matches('-').count() == 2 => {
            TimeFault::Date
        }
        _ if time.contains('.') => TimeFault::Fraction,
        _ => TimeFault::Number,
    }
}
