//! Tests of the managed local cluster.
