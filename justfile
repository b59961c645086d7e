# The same commands as CI's steps; `.ci/run` runs them all.

export RUSTDOCFLAGS := "-D warnings"

# List the recipes
default:
    @just --list

# Check the formatting
fmt:
    cargo fmt --check

# Lint everything
lint:
    cargo clippy --all-targets -- -D warnings
    cargo clippy --test conformance -- -D warnings

# Build the documentation
doc:
    cargo doc --no-deps

# Run every test, against a PostgreSQL of their own
test:
    cargo test

# Let the senders' own packages sign and verify, all or those of these providers
conformance *providers:
    .ci/conformance {{providers}}

# Check that `.sqlx` is what the queries and migrations say; wants DATABASE_URL
prepared:
    SQLX_OFFLINE=false cargo sqlx prepare --check

# Check licences, sources and advisories
deny:
    @if command -v cargo-deny > /dev/null; then cargo deny check; else echo "cargo-deny is not installed: skipped"; fi

# Look for dependencies that nothing uses
machete:
    @if command -v cargo-machete > /dev/null; then cargo machete; else echo "cargo-machete is not installed: skipped"; fi

# Count the instructions of verifying and parsing a request
instructions *options:
    .ci/instructions {{options}}

# Play what no client would think of against the operator's API
schemathesis:
    cargo build --release
    .ci/schemathesis target/release/sealpost

# Measure everything, beside the peers, and report: docs/performance.md; about 45 minutes
bench *options:
    benches/peers/install
    cargo bench --bench load -- --all {{options}}
    benches/report.py

# One benchmark: `load` compares before and after a change in a minute; `admin`, `verify`
bench-one name="load":
    cargo bench --bench {{name}}

# Regenerate the generated parts of the documentation
docs:
    cargo run -- openapi > docs/openapi.json
    for part in cli api config; do cargo run -- reference $part > docs/reference/$part.md; done
    cargo run -- reference providers --pages docs/reference/providers > docs/reference/providers.md
    cargo run -- reference schema > docs/config.schema.json

# Build the book into target/book, and check its links
book:
    .ci/book

# Lint the API document, and compile a client that is generated from it
client:
    .ci/client

# Everything at once, on a fresh machine
demo:
    cargo run --release -- demo

# What CI does
ci:
    .ci/run

# How long a clean release build takes, unit by unit: target/timings/cargo-timings
timings:
    cargo build --release --timings --target-dir target/timings
