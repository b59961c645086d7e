//! The limit of open files: raised to the maximum, and divided so that client connections never use
//! up what the database, handlers and objects need.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

use crate::config::File;

/// Other open files: the log, listeners, runtimes, pipes of the managed server, a few files.
const OTHER_FILES: usize = 64;
/// Minimum number of connections of a listener.
const MIN_CONNECTIONS: usize = 8;
/// Minimum number of handlers.
const MIN_HANDLERS: usize = 4;
/// A handler may have a request and an object open.
const FILES_OF_A_HANDLER: usize = 2;

/// How many connections each listener may have, and how many handlers may run at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) ingest: usize,
    pub(super) operator: usize,
    pub(super) handlers: usize,
}

/// Raises the limit of open files as far as permitted, and returns it.
pub(super) fn raise() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return usize::MAX };
    let raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX)
}

/// The configured numbers, or fewer if the limit is too low, which is logged.
pub(super) fn share(file: &File, workers: usize, limit: usize) -> Shares {
    let configured = Shares {
        ingest: file.ingest.connections,
        operator: file.operator.connections,
        handlers: file.dispatch.concurrency,
    };
    let others = others(file, workers);
    let needed = configured
        .handlers
        .saturating_mul(FILES_OF_A_HANDLER)
        .saturating_add(configured.ingest)
        .saturating_add(configured.operator)
        .saturating_add(others);
    if needed <= limit {
        return configured;
    }
    let left = limit.saturating_sub(others);
    let handlers = configured.handlers.min((left / 4 / FILES_OF_A_HANDLER).max(MIN_HANDLERS));
    let left = left.saturating_sub(handlers * FILES_OF_A_HANDLER);
    let shared = Shares {
        ingest: configured.ingest.min((left / 4 * 3).max(MIN_CONNECTIONS)),
        operator: configured.operator.min((left / 4).max(MIN_CONNECTIONS)),
        handlers,
    };
    warn!(
        event = "files.limited",
        limit,
        needed,
        ingest = shared.ingest,
        operator = shared.operator,
        handlers = shared.handlers,
        "limit of open files too low for the configured connections and handlers, using fewer: \
         raise it (LimitNOFILE, ulimit -n) to `needed`, or lower ingest.connections, \
         operator.connections and dispatch.concurrency"
    );
    shared
}

fn others(file: &File, workers: usize) -> usize {
    let database = &file.database;
    let pools =
        database.ingest_connections + database.dispatch_connections + database.operator_connections;
    let destinations = file.destination.iter().map(|destination| destination.concurrency);
    // Two connections check the database; each thread has a connection of its own and the files of
    // its runtime.
    OTHER_FILES
        + usize::try_from(pools).unwrap_or(usize::MAX)
        + 2
        + workers * 8
        + destinations.map(|most| usize::try_from(most.get()).unwrap_or(usize::MAX)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_limit_leaves_the_connections_unchanged() {
        let file = File::default();
        let all = Shares { ingest: 1024, operator: 256, handlers: 128 };
        assert_eq!(share(&file, 2, 4096), all);
        assert_eq!(share(&file, 2, usize::MAX), all);
    }

    #[test]
    fn low_limit_leaves_room_for_other_files() {
        let file = File::default();
        for limit in [256, 300, 512, 1024] {
            let shared = share(&file, 2, limit);
            assert!(
                shared.ingest >= MIN_CONNECTIONS && shared.operator >= MIN_CONNECTIONS,
                "{limit}"
            );
            assert!(shared.handlers >= MIN_HANDLERS, "{limit}");
            let handlers = shared.handlers * FILES_OF_A_HANDLER;
            let all = shared.ingest + shared.operator + handlers + others(&file, 2);
            assert!(all <= limit, "{limit}: {shared:?}");
            assert!(shared.ingest > shared.operator, "{limit}");
        }
    }

    #[test]
    fn a_few_connections_are_allowed_even_without_room() {
        let shared = share(&File::default(), 2, 32);
        let (ingest, operator) = (MIN_CONNECTIONS, MIN_CONNECTIONS);
        assert_eq!(shared, Shares { ingest, operator, handlers: MIN_HANDLERS });
    }
}
