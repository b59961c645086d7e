//! The definition of a scheme, and a request to a source that has it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sealpost::providers::data::fuzzing::definition(input));
