//! A request that nobody signed, to any provider of the catalogue.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sealpost::providers::data::fuzzing::scheme(input));
