//! The `sealpost` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First: this process may be the launcher of a managed PostgreSQL server.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|command| command == sealpost::postgres::exec::COMMAND) {
        return sealpost::postgres::exec::run(args);
    }
    sealpost::cli::run()
}
