//! Acceptance of authentic events: deduplication, size limits, header variants, redaction.

mod apify;
mod check;
mod deduplication;
mod oversize;
mod redaction;
mod stripe;
mod variants;
