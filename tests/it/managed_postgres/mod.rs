//! The managed local cluster, against the `PostgreSQL` of this machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod accounts;
mod life;
mod owners;
mod programs;
mod support;

/// What `OtherGateway` runs in a process of its own. Does nothing when started otherwise.
#[test]
#[ignore = "a process that other tests start"]
fn a_gateway_that_other_tests_start() {
    support::be_other_gateway();
}
