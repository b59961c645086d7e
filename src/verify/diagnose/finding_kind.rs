//! The kinds of findings, for programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BodyFault, Deviation, Explanation, Finding, HeaderFault, Origin, SignedBy};

/// The kind of a finding.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ExplanationFinding)]
pub enum FindingKind {
    /// It verifies.
    Verifies,
    /// Its token is valid but expired.
    PastItsTime,
    /// It is a handshake that brings a secret, and the source accepts none now.
    HandshakeClosed,
    /// The source has no secret yet: its sender brings it in a handshake.
    SecretMissing,
    /// It belongs to another source.
    AnotherSource,
    /// A header is missing.
    HeaderMissing,
    /// A header is repeated.
    HeaderDoubled,
    /// A header is malformed.
    HeaderMalformed,
    /// The signature is written in another format.
    SignatureSpelling,
    /// The timestamp is malformed.
    TimestampMalformed,
    /// It is too old.
    Stale,
    /// It is too far in the future.
    Future,
    /// A header contains a forbidden character.
    Character,
    /// It names something that is not in the source's allow list.
    NotAllowed,
    /// The signature is made in another way.
    Departs,
    /// The secret was used in another form.
    SecretForm,
    /// Another text was signed.
    SignedText,
    /// The body was changed after it was signed.
    BodyChanged,
    /// It is signed with a retired secret.
    RetiredSecret,
    /// It is signed with an additional secret that was given for the diagnosis.
    OfferedSecret,
    /// The signature is valid, but another required credential is wrong.
    SomethingBeside,
    /// The body is empty.
    BodyEmpty,
    /// The body is truncated.
    BodyCut,
    /// The body is compressed.
    BodyCompressed,
    /// The body contains replacement characters.
    BodyReplaced,
    /// No known secret matches the signature.
    NoSecret,
}

impl FindingKind {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Explanation {
    pub fn kind(&self) -> FindingKind {
        match &self.finding {
            Finding::Verifies { .. } => FindingKind::Verifies,
            Finding::TokenExpired => FindingKind::PastItsTime,
            Finding::Handshake => FindingKind::HandshakeClosed,
            Finding::NoSecretYet => FindingKind::SecretMissing,
            Finding::AnotherSource => FindingKind::AnotherSource,
            Finding::Header(_, HeaderFault::Missing) | Finding::Lacks(_) => {
                FindingKind::HeaderMissing
            }
            Finding::Header(_, HeaderFault::Repeated) => FindingKind::HeaderDoubled,
            Finding::Header(..) | Finding::Shape(_) => FindingKind::HeaderMalformed,
            Finding::HeaderFormat(..) => FindingKind::SignatureSpelling,
            Finding::Timestamp(_) => FindingKind::TimestampMalformed,
            Finding::Stale { .. } => FindingKind::Stale,
            Finding::Future { .. } => FindingKind::Future,
            Finding::Character(_) => FindingKind::Character,
            Finding::NotAllowed(_) | Finding::NotEnabled(_) | Finding::Differs(_) => {
                FindingKind::NotAllowed
            }
            Finding::InvalidSignature => {
                self.made.as_ref().map_or(FindingKind::Departs, SignedBy::kind)
            }
            Finding::OtherCredential => FindingKind::SomethingBeside,
            Finding::Body(fault) => fault.kind(),
            Finding::NoMatch => FindingKind::NoSecret,
        }
    }
}

impl SignedBy {
    fn kind(&self) -> FindingKind {
        match (self.deviations.last(), self.origin) {
            (Some(Deviation::HeaderFormat(_)), _) => FindingKind::SignatureSpelling,
            (Some(Deviation::Secret(_)), _) => FindingKind::SecretForm,
            (Some(Deviation::Text(_)), _) => FindingKind::SignedText,
            (Some(Deviation::Body(_)), _) => FindingKind::BodyChanged,
            (None, Origin::Retired) => FindingKind::RetiredSecret,
            (None, _) => FindingKind::OfferedSecret,
        }
    }
}

impl BodyFault {
    fn kind(self) -> FindingKind {
        match self {
            Self::Empty => FindingKind::BodyEmpty,
            Self::Cut => FindingKind::BodyCut,
            Self::Compressed => FindingKind::BodyCompressed,
            Self::Replaced => FindingKind::BodyReplaced,
        }
    }
}
