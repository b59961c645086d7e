//! Sealpost: a signed-webhook ingestion gateway.
pub mod clock;
pub mod telemetry;
pub mod text;
pub mod tls;

pub mod gate;
pub mod objects;
pub mod outbound;
pub mod vault;

pub mod postgres;
pub mod store;

pub mod alerts;
pub mod destinations;
pub mod dispatch;
pub mod intake;
pub mod operator;
pub mod provider_endpoint;
pub mod providers;

pub mod config;
pub mod http;

pub mod app;
pub mod lifecycle;

pub mod fixtures;

pub mod cli;
