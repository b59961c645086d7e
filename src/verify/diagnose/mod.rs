//! Why a request is rejected, for the operator; the response to the sender does not contain this.
//!
//! - A [`Case`] is a recorded request with its time of arrival.
//! - A [`Finding`] is what is wrong with it, as far as its head shows.
//! - [`Made`] says whose secret made its signature after all, and by which [`Departure`]s from what
//!   the gate asks for: another spelling, another form of the secret, a body that was changed on
//!   its way. Each of these is tried, in a fixed number of attempts over a bounded number of bytes.
//!
//! An explanation never holds a signature that would have been right, nor anything from which one
//! could be had: what it names of a secret is the fingerprint.

mod body_messages;
mod candidates;
mod finding_kind;
mod json;
mod messages;
mod read;
mod recoded;
mod search;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use body_messages::BodyFault;
pub use finding_kind::FindingKind;
pub use json::{Escapes, Spacing, Style};

use self::search::{Found, Search};
use super::{
    Fingerprint, ProofMethod, Refusal, RefusalReason, RequestHead, Secret, UnixSeconds, Verifier,
    VerifyContext,
};

/// The most secrets that are tried.
const MAX_SECRETS: usize = 12;

/// A request that was recorded, and what may have signed it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Secrets that the source had once: they never verify, they only explain.
    pub retired: &'a [Secret],
    /// Secrets that somebody offers: they only explain, too.
    pub offered: &'a [Secret],
    /// Its head.
    pub head: &'a RequestHead,
    /// Its body.
    pub body: &'a Bytes,
    /// When it arrived.
    pub at: UnixSeconds,
}

/// Why a request is rejected, or that it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Why it is rejected; `None` if it verifies.
    pub reason: Option<RefusalReason>,
    /// What is found.
    pub finding: Finding,
    /// Whose secret made the signature, where one did.
    pub made: Option<Made>,
    /// Whether something was not tried because the body is large.
    pub cut: bool,
}

/// What is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is authentic and fresh; the skew is `arrival − signed_at` in seconds.
    Verifies {
        /// The skew, where a time is signed.
        skew: Option<i64>,
    },
    /// Its token is valid but expired: it is accepted as long as its run is awaited.
    PastItsTime,
    /// It is for another source, such as another application of the sender's.
    AnotherSource,
    /// There is something wrong with a header, whatever it should hold.
    Header(&'static str, HeaderFault),
    /// The signature is not spelled as verification reads it.
    HeaderFormat(&'static str, HeaderFormat),
    /// A header is not what it should be, in some other way.
    Shape(&'static str),
    /// The time is not written as asked for.
    Timestamp(TimeFault),
    /// It was signed too long before it arrived.
    Stale {
        /// How many seconds beyond what the source allows.
        beyond: i64,
        /// How old it was, in seconds.
        age: i64,
    },
    /// It was signed for a time too long after it arrived.
    Future {
        /// How many seconds beyond what the source allows.
        beyond: i64,
        /// How far in the future, in seconds.
        ahead: i64,
    },
    /// A header holds a character that would make the signed text ambiguous.
    Character(&'static str),
    /// What it names is not on the source's list.
    NotAllowed(&'static str),
    /// The signature was made by something else than what verification expects: see [`Made`].
    Departs,
    /// The signature holds, and something beside it that the source asks for does not.
    SomethingBeside,
    /// No secret that is known made it, and there is something about the body.
    Body(BodyFault),
    /// No secret that is known made it.
    Nobody,
}

/// What is wrong with a header, whatever it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFault {
    /// It is not there.
    Missing,
    /// It is there more than once.
    Doubled,
    /// It holds something else than visible ASCII.
    NotVisible,
    /// It is empty.
    Empty,
}

/// How a signature differs from how it should be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderFormat {
    /// Base64 in the place of hexadecimal digits.
    Base64,
    /// URL-safe base64 in the place of hexadecimal digits.
    Base64Url,
    /// Without the prefix that is asked for.
    NoPrefix(&'static str),
    /// With another prefix, or with one where none is asked for.
    Prefix {
        /// What is asked for.
        expected: Option<&'static str>,
        /// What is there.
        found: String,
    },
    /// With blanks or quotes that do not belong there.
    Blanks,
    /// So many hexadecimal digits in the place of 64.
    Digits(usize),
    /// A list that lacks this element.
    NoElement(&'static str),
    /// A list that has this element twice.
    Twice(&'static str),
    /// Longer than any signature.
    TooLong,
    /// Neither hexadecimal digits nor base64 of the right length.
    Unreadable,
}

/// What is wrong with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// Milliseconds in the place of seconds.
    Millis,
    /// Micro- or nanoseconds in the place of seconds.
    Finer,
    /// A date.
    Date,
    /// With a fraction.
    Fraction,
    /// No plain decimal number.
    Number,
}

/// Who made a signature, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where the secret is from.
    pub origin: Origin,
    /// Which secret.
    pub secret: Fingerprint,
    /// In what it differs from what verification expects; nothing where it is as it should be.
    pub departures: Vec<Departure>,
}

/// Where a secret is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The source has it.
    ConfiguredDestination,
    /// The source had it.
    Retired,
    /// Somebody offers it.
    Offered,
}

/// In what a signature differs from what verification expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// How it is written.
    HeaderFormat(HeaderFormat),
    /// The secret was used in another form.
    Secret(SecretForm),
    /// Something else stood before the body.
    Text(TextForm),
    /// The body was changed after it was signed.
    Body(BodyForm),
}

/// How a secret was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// With a line break at its end.
    Newline,
    /// With a blank around it.
    Blanks,
    /// With quotes around it.
    Quoted,
    /// Without its prefix.
    WithoutPrefix,
    /// With a prefix that it does not have.
    WithPrefix,
    /// Decoded, as base64.
    Base64Decoded,
    /// Decoded, as hexadecimal digits.
    HexDecoded,
}

/// What was signed before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// The time in milliseconds, where the header has seconds.
    Millis,
    /// The time in seconds, where the header has milliseconds.
    Seconds,
    /// Nothing: the body alone was signed.
    BodyAlone,
    /// What another form of the sender's signature asks for.
    Other,
}

/// What happened to a body after it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// A line break at its end was lost.
    LostNewline,
    /// White space at its ends was added.
    GainedBlanks,
    /// A byte order mark was lost.
    LostBom,
    /// A byte order mark was added.
    GainedBom,
    /// Its line ends were changed.
    LineEnds,
    /// It was read as JSON and written again; when it was signed it was written like this.
    Rewritten(Style),
    /// It was written as a JSON text once more.
    EncodedTwice,
    /// It was written as base64.
    Base64,
    /// It was written as a form.
    FormEncoded,
    /// It was read in a charset of one byte and written as UTF-8.
    Mojibake,
    /// It was written in a charset of one byte.
    OneByteCharset,
    /// Its characters were composed, or taken apart.
    Normalised,
    /// It is not part of what was signed, or was empty then.
    Unsigned,
}

/// Explains what `gate` makes of a request.
pub fn explain(gate: &Verifier, case: &Case<'_>) -> Explanation {
    let request = VerifyContext::new(gate, case.head, case.body, case.at);
    let refusal = match gate.provider.verify(&request) {
        Ok(proof) => {
            let (finding, reason) = match proof.late {
                Some(_) => (Finding::PastItsTime, Some(RefusalReason::TsStale)),
                None => (Finding::Verifies { skew: proof.skew }, None),
            };
            let (origin, secret) = (Origin::ConfiguredDestination, proof.secret);
            let made = Some(Made { origin, secret, departures: Vec::new() });
            return Explanation { reason, finding, made, cut: false };
        }
        Err(refusal) => refusal,
    };
    let (made, spelling, cut) = look(gate, case, &gate.provider.evidence(&request));
    let finding = find(gate, case, &refusal, made.as_ref(), spelling);
    Explanation { reason: Some(refusal.kind()), finding, made, cut }
}

/// Looks for who made each piece of evidence. Where there are several, what is wrong with one of
/// them counts.
fn look(
    gate: &Verifier,
    case: &Case<'_>,
    evidence: &[ProofMethod],
) -> (Option<Made>, Option<(&'static str, HeaderFormat)>, bool) {
    let configured = gate.keys.secrets().map(|secret| (Origin::ConfiguredDestination, secret));
    let retired = case.retired.iter().map(|secret| (Origin::Retired, secret));
    let offered = case.offered.iter().map(|secret| (Origin::Offered, secret));
    let secrets = configured.chain(retired).chain(offered).take(MAX_SECRETS).collect();
    let mut search = Search::new(case.head, case.body, secrets);
    let (mut best, mut spelling, mut nobody) = (None::<Made>, None, false);
    for piece in evidence {
        match search.look(piece) {
            Found::Made(made) => {
                if best.as_ref().is_none_or(Made::is_as_asked) {
                    best = Some(made);
                }
            }
            Found::Nobody(how) => {
                if let (Some(how), ProofMethod::Signature(scheme), None) = (how, piece, &spelling) {
                    spelling = Some((scheme.header, how));
                }
                nobody |= !matches!(piece, ProofMethod::OtherForm(_));
            }
        }
    }
    // One good piece of evidence does not speak for another, whoever made that.
    let best = best.filter(|made| !nobody || !made.is_as_asked());
    (best, spelling, search.cut)
}

impl Made {
    /// Whether it would be accepted, if only it were fresh.
    pub fn is_as_asked(&self) -> bool {
        self.origin == Origin::ConfiguredDestination && self.departures.is_empty()
    }
}

/// What a refusal comes to, given who made the signature.
fn find(
    gate: &Verifier,
    case: &Case<'_>,
    refusal: &Refusal,
    made: Option<&Made>,
    spelling: Option<(&'static str, HeaderFormat)>,
) -> Finding {
    let window = gate.window;
    match refusal {
        Refusal::UnknownSource => Finding::AnotherSource,
        Refusal::Missing(header) | Refusal::Malformed(header) => {
            if let Some(fault) = read::fault(case.head, header) {
                return Finding::Header(header, fault);
            }
            match (made, spelling) {
                (Some(made), _) if !made.is_as_asked() => Finding::Departs,
                (_, Some((of, spelling))) if of == *header => {
                    Finding::HeaderFormat(header, spelling)
                }
                _ => Finding::Shape(header),
            }
        }
        Refusal::TimestampMalformed => Finding::Timestamp(time_fault(gate, case)),
        Refusal::Stale { seconds } => {
            Finding::Stale { beyond: *seconds, age: window.max_age.saturating_add(*seconds) }
        }
        Refusal::Future { seconds } => {
            Finding::Future { beyond: *seconds, ahead: window.max_future.saturating_add(*seconds) }
        }
        Refusal::Ambiguous(header) => Finding::Character(header),
        Refusal::NotAllowed(what) => Finding::NotAllowed(what),
        Refusal::Late(_) => Finding::PastItsTime,
        Refusal::Mismatch => match made {
            Some(made) if made.is_as_asked() => Finding::SomethingBeside,
            Some(_) => Finding::Departs,
            None => BodyFault::of(case.body).map_or(Finding::Nobody, Finding::Body),
        },
    }
}

/// What is wrong with the time of the scheme that the request claims.
fn time_fault(gate: &Verifier, case: &Case<'_>) -> TimeFault {
    let evidence = gate.provider.evidence(&VerifyContext::new(gate, case.head, case.body, case.at));
    let mut schemes = evidence.iter().filter_map(|piece| match piece {
        ProofMethod::Signature(scheme) => Some(*scheme),
        _ => None,
    });
    let Some(time) = schemes.find_map(|scheme| read::read(scheme, case.head).timestamp) else {
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
