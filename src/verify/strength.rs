//! The strength of a proof.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The strength of the proof: the signature covers the body, the request is authenticated without
/// covering the body, or the body was edited by an operator and has no proof.
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
#[schema(as = ProofStrength)]
pub enum Strength {
    /// The body is part of what was signed.
    Signed,
    /// A signed token or a shared secret vouches for the request; the body itself is unsigned.
    Vouched,
    /// Nothing: an operator wrote the body. No check gives this; it is what an edited event has.
    Edited,
}

impl Strength {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
