//! Closed sets of words, as they are stored and as they are answered.

use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use crate::web::denial::Denial;

/// The word of a closed set. The database holds no other: its columns are checked.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T, Denial> {
    let words: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(words).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a stored word is not known");
        Denial::Internal
    })
}

/// As [`word`], of what may be absent.
pub(super) fn maybe<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, Denial> {
    text.map(word).transpose()
}
