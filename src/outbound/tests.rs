//! Tests that need a lookup of their own.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A lookup that returns these addresses, one set per call, and counts the calls.
fn lookup(sets: &'static [&'static [&'static str]]) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst);
        let set = sets.get(turn).or(sets.last()).copied().unwrap_or_default();
        let found: Vec<IpAddr> = set.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    });
    (lookup, asked)
}

fn call(url: &str) -> Call {
    Call {
        method: "GET",
        url: url.parse().unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        deadline: Duration::from_secs(5),
        max_answer: 1024,
    }
}

/// A server that responds to every connection once; returns its address.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    address
}

#[tokio::test]
async fn connection_uses_the_checked_address_without_a_second_lookup() {
    let port = server().port();
    let policy = Policy { allow: vec!["127.0.0.0/8".parse().unwrap()] };
    let (first_good, asked) = lookup(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let outbound = Outbound::with_lookup(&policy, &first_good).unwrap();
    let url = format!("http://destination.example:{port}/");
    assert_eq!(outbound.send(call(&url)).await.unwrap().status, 204);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // The next connection resolves again, and gets another address.
    let error = outbound.send(call(&url)).await.unwrap_err();
    let expected = Refusal::Address("10.0.0.1".parse().unwrap());
    assert!(
        matches!(&error, OutboundError::Refused { refusal, .. } if *refusal == expected),
        "{error:?}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn name_that_later_resolves_to_this_machine_is_refused() {
    let port = server().port();
    let (rebinding, asked) = lookup(&[&["127.0.0.1"]]);
    let outbound = Outbound::with_lookup(&Policy::default(), &rebinding).unwrap();
    let url = "https://destination.example/".parse().unwrap();
    outbound.check(&url).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0, "a check does not resolve names");
    let error = outbound.send(call(url.as_str())).await.unwrap_err();
    assert!(matches!(error, OutboundError::Refused { .. }), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let plain = format!("http://destination.example:{port}/");
    assert!(outbound.send(call(&plain)).await.is_err());
}
