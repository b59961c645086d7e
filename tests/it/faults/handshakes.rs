//! A handshake is answered only after its secret is committed.

use super::proxy::{Point, Proxy};
use crate::handshake_secrets::{SOURCES, open};
use crate::harness::{Gateway, database, sql};

const SECRET: &str = "brought-secret-0123456789abcd";

#[tokio::test(flavor = "multi_thread")]
async fn handshake_that_cannot_be_stored_gives_503_and_may_be_repeated() {
    let stored = "SELECT count(*) FROM handshake_secrets";
    let headers = [("x-hook-secret".to_owned(), SECRET.to_owned())];
    // Before the secret is written, before the commit, and after it, when only the reply is lost.
    for (statement, point, number) in [
        ("INSERT INTO handshake_secrets", Point::Before, 0),
        ("COMMIT", Point::Before, 0),
        ("COMMIT", Point::Answered, 1),
    ] {
        let direct = database::fresh().await;
        let proxy = Proxy::before(&direct).await;
        let gateway = Gateway::builder().more_config(SOURCES).variable("OWN_SECRET", SECRET);
        let gateway = gateway.on(proxy.target()).start().await;
        open(&gateway, "tasks").await;
        let pause = proxy.hold_after("handshake_windows", point, statement);
        let (answer, ()) = tokio::join!(gateway.send_raw("tasks", None, &headers, b"{}"), async {
            pause.reached().await;
            // Otherwise what was not committed is tried again.
            proxy.refuse(true);
            proxy.reset();
            pause.cut();
        });
        proxy.refuse(false);
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(!answer.headers.contains_key("x-hook-secret"));
        assert_eq!(sql::number(&direct, stored).await, number);
        let answer = gateway.send_raw("tasks", None, &headers, b"{}").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers["x-hook-secret"], SECRET);
        assert_eq!(sql::number(&direct, stored).await, 1);
    }
}
