//! The selection of a job, as it is stored.

use serde::Serialize;

use crate::store::StoreError;

/// The selection of a job as JSON. It must not fail silently: an empty selection would select
/// everything.
pub(super) fn to_json(selection: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(selection).map_err(|_| StoreError::Inconsistent {
        table: "jobs",
        column: "selection",
        row: "to be planned".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde::ser::{Error as _, Serializer};

    use super::*;
    use crate::store::DeadLetterFilter;

    /// Cannot be serialised.
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("not this"))
        }
    }

    #[test]
    fn selection_that_cannot_be_serialised_is_an_error() {
        let error = to_json(&Unwritable).unwrap_err();
        assert!(
            matches!(error, StoreError::Inconsistent { table: "jobs", column: "selection", .. }),
            "{error:?}"
        );
        let source = Some("billing".to_owned());
        let filter = DeadLetterFilter { source, ..DeadLetterFilter::default() };
        assert!(to_json(&filter).unwrap().contains("billing"));
    }
}
