//! Sealpost.
pub mod postgres;
