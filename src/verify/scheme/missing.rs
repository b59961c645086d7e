//! That a request lacks a value.

/// A value that the request does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub(super) &'static str);

impl Missing {
    /// A header with two values: readers could disagree about which one counts.
    pub(super) const DIFFERENT: Self = Self("a header with one value");
    /// A body of another kind than the text describes: it would not be covered.
    pub(super) const UNCOVERED: Self = Self("a body that the text covers");

    /// Whether it cannot be left out, even where the text allows that.
    pub(super) fn is_fault(self) -> bool {
        self == Self::DIFFERENT || self == Self::UNCOVERED
    }
}
