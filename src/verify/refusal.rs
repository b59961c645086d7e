//! Why a request was rejected.

use super::request::ExpiredToken;

/// Why a request was rejected.
///
/// All of these are the same answer to the sender, byte for byte; the difference is for the log
/// and the metrics, through [`Refusal::reason`].
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No source of this name, or it is disabled, or it does not take this action.
    #[error("unknown source")]
    UnknownSource,
    /// A header that carries the signature, the time or another signed value is missing.
    #[error("missing header `{0}`")]
    Missing(&'static str),
    /// A header that carries the signature is there but does not have its shape: empty, twice,
    /// not ASCII, wrong prefix, not hexadecimal, wrong length, too many candidates.
    #[error("malformed header `{0}`")]
    Malformed(&'static str),
    /// The timestamp is not a plain positive decimal number of seconds.
    #[error("invalid timestamp: not a decimal number")]
    TimestampMalformed,
    /// The timestamp lies further in the past than the source allows.
    #[error("timestamp too old by {seconds} s")]
    Stale {
        /// By how many seconds the maximum age is exceeded.
        seconds: i64,
    },
    /// The timestamp lies further in the future than the source allows.
    #[error("timestamp too far in the future by {seconds} s")]
    Future {
        /// By how many seconds the maximum is exceeded.
        seconds: i64,
    },
    /// No secret of the source makes any of the signatures.
    #[error("no secret of the source matches the signature")]
    Mismatch,
    /// A value that is part of the signed text would make that text ambiguous.
    #[error("forbidden character in header `{0}`")]
    Ambiguous(&'static str),
    /// The request names a service, an origin or a purpose that the source does not accept.
    #[error("{0} is not in the source's allow list")]
    NotAllowed(&'static str),
    /// Authentic, but its token has expired: only the registry of runs can still accept it.
    #[error("token expired")]
    Late(Box<ExpiredToken>),
}

impl Refusal {
    /// The closed word for the log and the metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::Missing(_) => "sig_missing",
            Self::Malformed(_) => "sig_malformed",
            Self::TimestampMalformed => "ts_malformed",
            Self::Stale { .. } | Self::Late(_) => "ts_stale",
            Self::Future { .. } => "ts_future",
            Self::Mismatch => "sig_mismatch",
            Self::Ambiguous(_) => "id_charset",
            Self::NotAllowed(_) => "not_allowed",
        }
    }
}
