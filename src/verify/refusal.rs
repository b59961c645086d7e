//! Why a request was rejected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::ExpiredToken;

/// Why a request was rejected.
///
/// The sender gets the same response for all of these, byte for byte; the difference appears only
/// in the log and the metrics, through [`Refusal::reason`].
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No enabled source has this name, or it does not accept this action.
    #[error("unknown source")]
    UnknownSource,
    /// A header with the signature, the time or another signed value is missing.
    #[error("missing header `{0}`")]
    Missing(&'static str),
    /// A signature header is malformed: empty, repeated, not ASCII, wrong prefix, not hexadecimal,
    /// wrong length, or too many candidates.
    #[error("malformed header `{0}`")]
    Malformed(&'static str),
    /// The timestamp is not a plain positive decimal number of seconds.
    #[error("invalid timestamp: not a decimal number")]
    TimestampMalformed,
    /// The timestamp is older than the source allows.
    #[error("timestamp too old by {seconds} s")]
    Stale {
        /// Seconds beyond the maximum age.
        seconds: i64,
    },
    /// The timestamp is further in the future than the source allows.
    #[error("timestamp too far in the future by {seconds} s")]
    Future {
        /// Seconds beyond the maximum.
        seconds: i64,
    },
    /// No secret of the source matches any of the signatures.
    #[error("no secret of the source matches the signature")]
    Mismatch,
    /// The source has no secret yet: its sender brings it in a handshake.
    #[error("the source has no secret yet")]
    NoSecret,
    /// A handshake that brings a secret, while nobody has opened a window for it.
    #[error("the source does not accept a handshake now")]
    HandshakeClosed,
    /// A signed value contains a character that would make the signed text ambiguous.
    #[error("forbidden character in header `{0}`")]
    Ambiguous(&'static str),
    /// The request names a service, origin or purpose that the source does not accept.
    #[error("{0} is not in the source's allow list")]
    NotAllowed(&'static str),
    /// The request is signed in a way that the source accepts only with this option.
    #[error("a signature of this kind needs the option `{0}`")]
    NotEnabled(&'static str),
    /// Authentic, but its token has expired: accepted only if its run is still expected.
    #[error("token expired")]
    Late(Box<ExpiredToken>),
}

/// Why a request was rejected, as in the log and the metrics.
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
#[schema(as = RejectionReason)]
pub enum RefusalReason {
    /// No source has this path, or the headers belong to another source.
    UnknownSource,
    /// A required header is missing.
    SigMissing,
    /// A signature header is malformed.
    SigMalformed,
    /// The timestamp is malformed.
    TsMalformed,
    /// The timestamp or the token is too old.
    TsStale,
    /// The timestamp is too far in the future.
    TsFuture,
    /// No secret of the source matches the signature.
    SigMismatch,
    /// A header contains a forbidden character.
    IdCharset,
    /// The request names something that is not in the source's allow list.
    NotAllowed,
    /// The source has no secret yet: its sender brings it in a handshake.
    NoSecret,
    /// A handshake that brings a secret, while the source accepts none.
    HandshakeClosed,
}

impl Refusal {
    /// The name in the log and the metrics.
    pub fn reason(&self) -> &'static str {
        self.kind().as_str()
    }

    pub fn kind(&self) -> RefusalReason {
        match self {
            Self::UnknownSource => RefusalReason::UnknownSource,
            Self::Missing(_) => RefusalReason::SigMissing,
            Self::Malformed(_) => RefusalReason::SigMalformed,
            Self::TimestampMalformed => RefusalReason::TsMalformed,
            Self::Stale { .. } | Self::Late(_) => RefusalReason::TsStale,
            Self::Future { .. } => RefusalReason::TsFuture,
            Self::Mismatch => RefusalReason::SigMismatch,
            Self::Ambiguous(_) => RefusalReason::IdCharset,
            Self::NotAllowed(_) | Self::NotEnabled(_) => RefusalReason::NotAllowed,
            Self::NoSecret => RefusalReason::NoSecret,
            Self::HandshakeClosed => RefusalReason::HandshakeClosed,
        }
    }
}

impl RefusalReason {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
