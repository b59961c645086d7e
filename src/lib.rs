//! Sealpost: a signed-webhook ingestion gateway.
pub mod clock;
pub mod dispatch;
pub mod gate;
pub mod postgres;
pub mod providers;
pub mod store;
