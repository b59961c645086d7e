//! What bodies in flight may hold, said at the start.

use bytesize::ByteSize;
use tracing::{info, warn};

use super::wiring::bytes;
use crate::config::Config;
use crate::ingest::ByteBudget;

/// Says what bodies may hold, and warns where there is not that much memory.
pub(super) fn say(config: &Config) {
    let in_flight = config.in_flight;
    let largest = ByteSize(ByteBudget::largest(bytes(in_flight)) as u64);
    let display = |size: ByteSize| size.display().iec().to_string();
    let memory = config.memory.map(|memory| display(ByteSize(memory)));
    info!(
        memory,
        in_flight = display(in_flight),
        largest_body = display(largest),
        "what bodies in flight may hold"
    );
    if config.memory.is_some_and(|memory| in_flight.as_u64() > memory / 2) {
        warn!(
            "ingest.in_flight is more than half of the memory that there is: the kernel may end \
             the gateway when much arrives at once"
        );
    }
}
