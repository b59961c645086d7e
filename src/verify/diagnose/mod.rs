//! Diagnoses why a request was rejected, for the operator; the sender never sees this.
//!
//! - A [`Case`] is a recorded request with its time of arrival.
//! - A [`Finding`] is the problem, as far as the head shows it.
//! - [`SignedBy`] names the secret that made the signature after all, and each [`Deviation`] from
//!   what verification expects: another format, another form of the secret, or a body that was
//!   changed on the way. A fixed number of candidates is tried over a bounded number of bytes.
//!
//! An explanation never contains a valid signature, nor anything from which one could be derived:
//! it names a secret by its fingerprint.

mod body_messages;
mod candidates;
mod finding_kind;
mod json;
mod judge;
mod means;
mod messages;
mod read;
mod recoded;
mod scheme_hints;
#[cfg(test)]
mod scheme_tests;
mod search;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use body_messages::BodyFault;
pub use finding_kind::FindingKind;
pub use json::{Escapes, Spacing, Style};
pub use means::{Keys, Means, Requirement};

use self::judge::finding_of;
use self::search::{Found, Search};
use super::{
    Fingerprint, HandshakeMethod, Prompt, ProofMethod, RefusalReason, RequestHead, Secret,
    UnixSeconds, Verifier, VerifyContext,
};

/// The maximum number of secrets that are tried.
const MAX_SECRETS: usize = 12;

/// A recorded request, and the secrets that may have signed it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Former secrets of the source: they never verify, they only serve the diagnosis.
    pub retired: &'a [Secret],
    /// Additional secrets given for the diagnosis.
    pub offered: &'a [Secret],
    pub head: &'a RequestHead,
    pub body: &'a Bytes,
    /// The time of arrival.
    pub at: UnixSeconds,
}

/// The diagnosis of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The reason for the rejection; `None` if the request verifies.
    pub reason: Option<RefusalReason>,
    pub finding: Finding,
    /// The secret that made the signature, if one did.
    pub made: Option<SignedBy>,
    /// Whether candidates were skipped because the body is large.
    pub cut: bool,
    /// What should have proved the request.
    pub means: Means,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Authentic and fresh; the skew is `arrival − signed_at` in seconds.
    Verifies {
        /// The skew, if a time is signed.
        skew: Option<i64>,
    },
    /// The token is valid but expired: accepted only while its run is expected.
    TokenExpired,
    /// It is a handshake that brings a secret, and the source accepts none now.
    Handshake,
    /// The source has no secret yet.
    NoSecretYet,
    /// It belongs to another source, such as another application of the sender.
    AnotherSource,
    /// A header is missing, repeated or unreadable.
    Header(&'static str, HeaderFault),
    /// The signature has a format that verification does not accept.
    HeaderFormat(&'static str, HeaderFormat),
    /// A header is malformed in some other way.
    Shape(&'static str),
    /// The timestamp has an invalid format.
    Timestamp(TimeFault),
    /// It was signed too long before it arrived.
    Stale {
        /// Seconds beyond the source's limit.
        beyond: i64,
        /// The age, in seconds.
        age: i64,
    },
    /// It was signed for a time too long after it arrived.
    Future {
        /// Seconds beyond the source's limit.
        beyond: i64,
        /// The distance into the future, in seconds.
        ahead: i64,
    },
    /// A header contains a character that would make the signed text ambiguous.
    Character(&'static str),
    /// The named value is not in the source's allow list.
    NotAllowed(&'static str),
    /// It is signed in a way that the source accepts only with this option.
    NotEnabled(&'static str),
    /// The request lacks something, other than a header, that the sender signs.
    Lacks(&'static str),
    /// It is signed, but differs from what the source expects.
    Differs(Requirement),
    /// The signature was made in another way than verification expects: see [`SignedBy`].
    InvalidSignature,
    /// The signature is valid, but another required credential is not.
    OtherCredential,
    /// No known secret made the signature, and the body has a recognisable defect.
    Body(BodyFault),
    /// No known secret made the signature.
    NoMatch,
}

/// A header problem that is independent of the expected content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFault {
    Missing,
    Repeated,
    /// It contains something other than visible ASCII.
    NotVisible,
    Empty,
}

/// How the format of a signature differs from the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderFormat {
    /// Base64 instead of hexadecimal.
    Base64,
    /// URL-safe base64 instead of hexadecimal.
    Base64Url,
    /// Hexadecimal instead of base64.
    Hex,
    /// Base64 with another alphabet or padding.
    OtherBase64,
    /// The expected prefix is missing.
    NoPrefix(&'static str),
    /// Another prefix, or an unexpected one.
    Prefix { expected: Option<&'static str>, found: String },
    /// Extra spaces or quotes.
    Blanks,
    /// This many hexadecimal digits instead of 64.
    Digits(usize),
    /// Another length, in bytes.
    Length { found: usize, expected: usize },
    /// A list without this element, such as `v1=`; empty if elements have no names.
    NoElement(&'static str),
    /// A list with this element twice.
    Twice(&'static str),
    /// Longer than any signature.
    TooLong,
    /// Neither hexadecimal nor base64 of the right length.
    Unreadable,
}

/// What is wrong with a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// Milliseconds instead of seconds.
    Millis,
    /// Micro- or nanoseconds instead of seconds.
    Finer,
    Date,
    /// A fractional number.
    Fraction,
    /// Not a plain decimal number.
    Number,
    /// Not in the expected unit, where that is not seconds.
    Unit,
}

/// The secret that made a signature, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    pub origin: Origin,
    pub secret: Fingerprint,
    /// The deviations from what verification expects; empty if there are none.
    pub deviations: Vec<Deviation>,
}

/// The origin of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Configured for the source.
    Configured,
    /// Formerly configured for the source.
    Retired,
    /// Given for the diagnosis.
    Offered,
    /// Published by the sender.
    Published,
}

/// How a signature deviates from what verification expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deviation {
    HeaderFormat(HeaderFormat),
    Secret(SecretForm),
    /// Another text was signed before the body.
    Text(TextForm),
    /// The body was changed after it was signed.
    Body(BodyForm),
}

/// The form in which a secret was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// With a trailing line break.
    Newline,
    /// With a leading or trailing space.
    Blanks,
    /// With quotes around it.
    Quoted,
    /// Without its prefix.
    WithoutPrefix,
    /// With an extra prefix.
    WithPrefix,
    Base64Decoded,
    HexDecoded,
    /// Without decoding it.
    Undecoded,
}

/// The text that was signed before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// The timestamp in milliseconds, although the header has seconds.
    Millis,
    /// The timestamp in seconds, although the header has milliseconds.
    Seconds,
    /// Nothing: only the body was signed, without the timestamp.
    BodyAlone,
    /// Nothing: only the body was signed, although more is expected.
    BodyOnly,
    /// The text of another signature form of the sender.
    Other,
}

/// How a body was changed after it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// A trailing line break was lost.
    LostNewline,
    /// White space was added around it.
    GainedBlanks,
    /// A byte order mark was lost.
    LostBom,
    /// A byte order mark was added.
    GainedBom,
    /// Its line endings were changed.
    LineEnds,
    /// It was parsed and re-serialised as JSON; the style is that of the signed body.
    Rewritten(Style),
    /// It was encoded as a JSON string once more.
    EncodedTwice,
    Base64,
    FormEncoded,
    /// It was decoded with a single-byte charset and encoded as UTF-8 again.
    Mojibake,
    /// It was encoded in a single-byte charset.
    OneByteCharset,
    /// It was Unicode-normalised.
    Normalised,
    /// It is not part of the signed text, or was empty then.
    Unsigned,
    /// It was changed in an unknown way: only its digest is signed.
    Unknown,
}

/// Explains the result of verifying a request.
pub fn explain(verifier: &Verifier, case: &Case<'_>) -> Explanation {
    let request = VerifyContext::new(verifier, case.head, case.body, case.at);
    let proofs = verifier.provider.claimed_proofs(&request);
    let means = Means::of(verifier, case, &proofs);
    let prompt =
        Prompt { method: HandshakeMethod::Post, head: case.head, body: case.body, verified: false };
    if verifier.provider.brought_secret(&verifier.keys, prompt).is_some() {
        let reason = Some(RefusalReason::HandshakeClosed);
        return Explanation { reason, finding: Finding::Handshake, made: None, cut: false, means };
    }
    let refusal = match verifier.provider.verify(&request) {
        Ok(proof) => {
            let (finding, reason) = match proof.late {
                Some(_) => (Finding::TokenExpired, Some(RefusalReason::TsStale)),
                None => (Finding::Verifies { skew: proof.skew }, None),
            };
            let origin = match means.keys {
                Keys::Published | Keys::Unknown => Origin::Published,
                Keys::Secret | Keys::Repeated | Keys::Public => Origin::Configured,
            };
            let made = Some(SignedBy { origin, secret: proof.secret, deviations: Vec::new() });
            return Explanation { reason, finding, made, cut: false, means };
        }
        Err(refusal) => refusal,
    };
    let (made, format, cut) = search_proofs(verifier, case, &proofs);
    let finding = finding_of(verifier, case, &refusal, (made.as_ref(), format, means));
    Explanation { reason: Some(refusal.kind()), finding, made, cut, means }
}

/// Searches for the secret behind each claimed proof. If one of several proofs is invalid, that one
/// counts.
fn search_proofs(
    verifier: &Verifier,
    case: &Case<'_>,
    proofs: &[ProofMethod<'_>],
) -> (Option<SignedBy>, Option<(&'static str, HeaderFormat)>, bool) {
    let secrets = verifier.keys.secrets();
    let configured = secrets.iter().map(|secret| (Origin::Configured, secret));
    let retired = case.retired.iter().map(|secret| (Origin::Retired, secret));
    let offered = case.offered.iter().map(|secret| (Origin::Offered, secret));
    let secrets = configured.chain(retired).chain(offered).take(MAX_SECRETS).collect();
    let mut search = Search::new(case, secrets, verifier.published.as_deref());
    let (mut best, mut format, mut unmatched) = (None::<SignedBy>, None, false);
    for proof in proofs {
        match search.find(proof) {
            Found::SignedBy(made) => {
                if best.as_ref().is_none_or(SignedBy::is_conforming) {
                    best = Some(made);
                }
            }
            Found::NoMatch(header_format) => {
                if let (Some(header_format), ProofMethod::Signature(scheme), None) =
                    (header_format, proof, &format)
                {
                    format = Some((scheme.field_name(), header_format));
                }
                unmatched |= !matches!(proof, ProofMethod::OtherForm(_));
            }
        }
    }
    // One valid proof does not make up for an invalid one.
    let best = best.filter(|made| !unmatched || !made.is_conforming());
    (best, format, search.cut)
}

impl SignedBy {
    /// Whether it would be accepted if it were fresh.
    pub fn is_conforming(&self) -> bool {
        matches!(self.origin, Origin::Configured | Origin::Published) && self.deviations.is_empty()
    }
}
