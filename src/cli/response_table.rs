//! Prints responses of destinations.

use super::output;
use crate::admin::DestinationResponse;

/// Responses as a table.
pub(super) fn table(given: &[DestinationResponse]) -> String {
    let head = ["AT", "STATUS", "DURATION", "DELIVERY", "RESPONSE"];
    let rows: Vec<Vec<String>> = given
        .iter()
        .map(|one| {
            let response = one.error.as_deref().unwrap_or(&one.body);
            vec![
                output::time(one.at),
                one.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
                format!("{} ms", one.took_ms),
                one.delivery.map_or_else(|| "test".to_owned(), |id| id.to_string()),
                response.chars().take(200).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
