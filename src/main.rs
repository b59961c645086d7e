//! The `sealpost` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: this process may only be the last step before a managed server.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|command| command == sealpost::postgres::exec::COMMAND) {
        return sealpost::postgres::exec::run(args);
    }
    sealpost::cli::run()
}
