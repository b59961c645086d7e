//! The managed local cluster, with the `PostgreSQL` of this machine.

#![expect(clippy::unwrap_used, reason = "test helpers fail like tests")]

mod accounts;
mod lifecycle;
mod ownership;
mod programs;
mod support;

/// The process of `OtherGateway`. Does nothing when started otherwise.
#[test]
#[ignore = "a process that other tests start"]
fn other_gateway_process() {
    support::run_other_gateway();
}
