use super::*;

fn guard(allow: &[&str]) -> Guard {
    Guard::new(&allow.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>())
}

/// The result for a URL; `None` if the text is not a URL.
fn check(guard: &Guard, text: &str) -> Option<Result<Need, Refusal>> {
    Url::parse(text).ok().map(|url| guard.check(&url))
}

/// Hosts on this machine, its network or its cloud, and invalid ones.
const CLOSED: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "0x7f.0.0.0x1",
    "0177.0.0.1",
    "017700000001",
    "00000177.1",
    "127.000.000.001",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127.0.0.1",
    "%31%32%37.0.0.1",
    "12\t7.0.0.1",
    "0",
    "0.0.0.0",
    "00",
    "0x",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "api.localhost",
    "api.localhost.",
    "ⓛocalhost",
    "10.0.0.1",
    "167772161",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "255.255.255.255",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[2606:4700::5efe:7f00:1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fec0::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
];

#[test]
fn private_addresses_are_refused_in_every_spelling() {
    let nothing_listed = guard(&[]);
    for host in CLOSED {
        for url in [
            format!("https://{host}/"),
            format!("https://{host}:8443/"),
            format!("https://{host}:6379/"),
            format!("http://{host}/"),
            format!("http://{host}:8080/x"),
            format!("HTTPS:\\\\{host}/"),
        ] {
            let result = check(&nothing_listed, &url);
            let refused = result.as_ref().is_some_and(Result::is_err);
            assert!(refused, "{url:?}: {result:?}");
        }
    }
}

#[test]
fn invalid_urls_do_not_parse() {
    for text in [
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::ffff:127.0.0.1%25lo]/",
        "https://127.0.0.256/",
        "https://127.0.0.1.1/",
        "https://0x100000000/",
        "https://08.0.0.1/",
        "https://[::1/",
        "https://:443/",
        "https://",
        "https://exa mple.com/",
        "https://example.com:99999/",
        "//example.com/",
    ] {
        assert!(Url::parse(text).is_err(), "{text} is a URL");
    }
}

#[test]
fn public_addresses_need_https_on_a_usual_port() {
    let nothing_listed = guard(&[]);
    for url in [
        "https://example.com/hooks",
        "https://example.com:443/",
        "https://example.com.:8443/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://localhost.example.com/",
        "https://notlocalhost.example/",
    ] {
        assert_eq!(check(&nothing_listed, url), Some(Ok(Need::Public)), "{url}");
    }
    for name in ["notlocalhost", "relay.internal", "printer.local."] {
        let result = check(&nothing_listed, &format!("https://{name}/"));
        assert_eq!(result, Some(Err(Refusal::PrivateName(name.to_owned()))));
    }
    for url in ["http://example.com/", "http://example.com:443/", "http://8.8.8.8/"] {
        assert_eq!(check(&nothing_listed, url), Some(Err(Refusal::Unlisted)), "{url}");
    }
    for port in [0, 21, 22, 25, 80, 3306, 5432, 6379, 9200, 11211, 65535] {
        let url = format!("https://example.com:{port}/");
        assert_eq!(check(&nothing_listed, &url), Some(Err(Refusal::Unlisted)), "{url}");
    }
    for url in [
        "gopher://example.com/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "data:text/plain,x",
        "unix:/run/docker.sock",
        "http+unix://%2Frun%2Fdocker.sock/x",
        "ws://example.com/",
        "javascript:alert(1)",
    ] {
        let result = check(&guard(&["0.0.0.0/0", "::/0"]), url);
        assert!(matches!(result, Some(Err(Refusal::Scheme(_)))), "{url}: {result:?}");
    }
}

#[test]
fn credentials_in_a_url_are_refused() {
    for url in [
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://:word@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1:443@example.com/",
        "https://example.com%40@10.0.0.1/",
    ] {
        assert_eq!(check(&guard(&[]), url), Some(Err(Refusal::Credentials)), "{url}");
    }
}

#[test]
fn listed_network_is_allowed_in_every_spelling_and_on_every_port() {
    let loopback = guard(&["127.0.0.0/8"]);
    for url in [
        "http://127.0.0.1:4000/",
        "http://2130706433/",
        "http://localhost:4000/",
        "https://127.1:9443/",
        "http://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]:444/",
    ] {
        assert_eq!(check(&loopback, url), Some(Ok(Need::Listed)), "{url}");
    }
    let address = |text: &str| Some(Err(Refusal::Address(text.parse().unwrap())));
    assert_eq!(check(&loopback, "https://[::1]/"), address("::1"));
    assert_eq!(check(&loopback, "http://10.0.0.1/"), address("10.0.0.1"));
    assert_eq!(
        check(&loopback, "http://8.8.8.8/"),
        Some(Err(Refusal::UnlistedAddress("8.8.8.8".parse().unwrap()))),
    );
    let one = guard(&["203.0.113.7/32", "fd00:1::/64"]);
    assert_eq!(check(&one, "http://203.0.113.7:81/"), Some(Ok(Need::Listed)));
    assert_eq!(check(&one, "http://[fd00:1::9]/"), Some(Ok(Need::Listed)));
    assert_eq!(check(&one, "http://203.0.113.8/"), address("203.0.113.8"));
    assert_eq!(check(&one, "https://[fd00:2::9]/"), address("fd00:2::9"));
}

async fn resolved(
    allow: &[&str],
    need: Need,
    found: &[&str],
) -> Result<Vec<IpAddr>, Option<Refusal>> {
    let found: Vec<IpAddr> = found.iter().map(|address| address.parse().unwrap()).collect();
    let lookup: Lookup = Arc::new(move |name| {
        assert_eq!(name, "destination.example");
        let found = found.clone();
        Box::pin(async move { Ok(found) })
    });
    let resolver = Vetted { guard: guard(allow), need, lookup };
    match resolver.resolve("destination.example".parse().unwrap()).await {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        Err(error) => Err(error.downcast_ref::<Refusal>().cloned()),
    }
}

#[tokio::test]
async fn name_is_allowed_only_if_all_its_addresses_are() {
    let refused = |text: &str| Err(Some(Refusal::Address(text.parse().unwrap())));
    let public = ["1.1.1.1", "2606:4700:4700::1111"];
    assert_eq!(
        resolved(&[], Need::Public, &public).await,
        Ok(public.map(|address| address.parse().unwrap()).to_vec()),
    );
    for closed in ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"] {
        let found = ["1.1.1.1", closed, "8.8.8.8"];
        assert_eq!(resolved(&[], Need::Public, &found).await, refused(closed));
    }
    let found = ["1.1.1.1", "10.1.2.3"];
    assert!(resolved(&["10.0.0.0/8"], Need::Public, &found).await.is_ok());
    assert_eq!(
        resolved(&["10.0.0.0/8"], Need::Listed, &found).await,
        Err(Some(Refusal::UnlistedAddress("1.1.1.1".parse().unwrap()))),
    );
    assert!(resolved(&["10.0.0.0/8"], Need::Listed, &["10.1.2.3"]).await.is_ok());
    assert_eq!(resolved(&[], Need::Public, &[]).await, Err(None), "a name without addresses");
}
