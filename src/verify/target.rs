//! Method and query of a request.

/// The method and the query of a request, as they are on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub method: String,
    pub query: Option<String>,
}

impl Target {
    /// The parts of the query, sorted as they stand.
    pub fn sorted_query(&self) -> String {
        let mut parts: Vec<&str> = self.query.as_deref().unwrap_or_default().split('&').collect();
        parts.sort_unstable();
        parts.join("&")
    }
}
