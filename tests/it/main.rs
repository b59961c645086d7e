//! One binary for every integration test, so that they link once and share one `PostgreSQL`.

mod managed_postgres;
