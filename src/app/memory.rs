use bytesize::ByteSize;
use tracing::{info, warn};

use super::wiring::bytes;
use crate::config::Config;
use crate::ingest::ByteBudget;

/// Logs the memory budget of bodies, and warns if it is too large for this machine.
pub(super) fn log_budget(config: &Config) {
    let in_flight = config.in_flight;
    let largest = ByteSize(ByteBudget::largest(bytes(in_flight)) as u64);
    let display = |size: ByteSize| size.display().iec().to_string();
    let memory = config.memory.map(|memory| display(ByteSize(memory)));
    info!(
        memory,
        in_flight = display(in_flight),
        largest_body = display(largest),
        "memory budget of request bodies"
    );
    if config.memory.is_some_and(|memory| in_flight.as_u64() > memory / 2) {
        warn!(
            "ingest.in_flight is more than half of the available memory: the kernel may kill the \
             gateway under load"
        );
    }
}
