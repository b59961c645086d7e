//! Conversion of stored values into API enums.

use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use crate::web::denial::Denial;

/// Converts a stored value. Other values cannot occur: the columns have check constraints.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, Denial> {
    let words: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(words).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "unknown stored value");
        Denial::Internal
    })
}

/// As [`word`], for an optional value.
pub(super) fn maybe<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, Denial> {
    text.map(word).transpose()
}
