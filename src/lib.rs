//! Sealpost: a signed-webhook ingestion gateway.
pub mod byte_permits;
pub mod clock;
pub mod near_names;
pub mod telemetry;
pub mod text;
pub mod tls;

pub mod objects;
pub mod outbound;
pub mod sender_client;
pub mod vault;
pub mod verify;

pub mod postgres;
pub mod store;
pub mod stored_secrets;

pub mod admin;
pub mod alerts;
pub mod destinations;
pub mod dispatch;
pub mod ingest;
pub mod provider_endpoint;
pub mod providers;

pub mod config;
pub mod web;

pub mod app;
pub mod lifecycle;

pub mod fixtures;

pub mod cli;
