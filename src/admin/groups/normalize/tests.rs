use proptest::prelude::*;

use super::*;

#[test]
fn values_are_removed_and_fixed_text_stays() {
    for (text, key) in [
        ("it broke\nin two lines", "it broke"),
        ("", ""),
        ("timed out after 1503 ms (attempt 3/8)", "timed out after <n> ms (attempt <n>/<n>)"),
        ("timed out after 1.5s", "timed out after <n>"),
        ("timed out after 900ms", "timed out after <n>"),
        ("no account acct_1NgXk2eZvKYlo2C", "no account acct_<id>"),
        ("event evt_12 is unknown", "event evt_<n> is unknown"),
        ("run 0190f3c4-7e11-7abc-8def-0123456789ab is gone", "run <id> is gone"),
        ("run=0190f3c4-7e11-7abc-8def-0123456789ab, gone", "run=<id>, gone"),
        ("digest deadbeef01 differs", "digest <id> differs"),
        ("field `guild_id` is \"12\"", "field `guild_id` is <text>"),
        ("the card's table doesn't exist", "the card's table doesn't exist"),
        ("GET https://api.example.org/runs/abc?x=1: 503", "GET https://api.example.org/<path> 503"),
        ("decks/intro/a.md: no front matter", "<path>: no front matter"),
        ("neither text/html nor and/or", "neither text/html nor and/or"),
        ("column v2 of utf8", "column v2 of utf8"),
        ("10.1.2.3:443 refused", "<ip> refused"),
        ("mail to ada@example.org bounced", "mail to <text> bounced"),
        ("HTTP/1.1 503 Service Unavailable", "HTTP 503 Service Unavailable"),
        ("order555 and order5", "order<n> and order<n>"),
        ("undefined method `title' for nil", "undefined method `title` for nil"),
        ("cut off in \"the middle", "cut off in <text>"),
        ("a \"quoted \\\" quote\" within", "a <text> within"),
        ("a \"text\nof two lines\" within", "a <text> within"),
        ("`decks/intro.md` has no title", "`<path>` has no title"),
        (
            "destination responded 422: card table is locked (SQLSTATE 55P03) by migration 0042",
            "destination responded 422: card table is locked (SQLSTATE 55P03) by migration <n>",
        ),
        (
            "invalid type: string \"x\", expected i64 at line 1 column 64",
            "invalid type: string <text>, expected i64 at line <n> column <n>",
        ),
        (
            "unknown variant `bogus`, expected one of `a`, `b`",
            "unknown variant <text>, expected one of `a`, `b`",
        ),
        ("connection refused (os error 111)", "connection refused (os error 111)"),
        ("found a text at `/items/12/amount`", "found a text at `/items/<n>/amount`"),
    ] {
        assert_eq!(normalize(text), key, "{text}");
    }
}

#[test]
fn different_errors_have_different_keys() {
    for (one, other) in [
        ("missing field `details_submitted`", "missing field `payouts_enabled`"),
        ("`details_submitted` is missing", "`payouts_enabled` is missing"),
        ("destination responded 422: no", "destination responded 404: no"),
        ("destination responded 500", "destination responded 502"),
        ("responded with 500", "responded with 503"),
        ("status=404", "status=410"),
        ("request failed with status code 401", "request failed with status code 403"),
        ("locked (SQLSTATE 55P03)", "locked (SQLSTATE 40001)"),
        ("error code: 23505", "error code: 23503"),
        ("invalid type: null, expected i64", "invalid type: null, expected u64"),
        ("expected f64", "expected f32"),
        ("no sha256", "no sha512"),
        (
            "violates unique constraint \"cards_pkey\"",
            "violates unique constraint \"cards_path_key\"",
        ),
        ("column \"title\" does not exist", "column \"body\" does not exist"),
        ("'email' is a required property", "'name' is a required property"),
        (
            "Cannot read properties of undefined (reading 'id')",
            "Cannot read properties of undefined (reading 'at')",
        ),
        ("found a text at `/data/object/amount`", "found a text at `/data/object/currency`"),
        ("header `x-docora-signature` is missing", "header `x-docora-app-id` is missing"),
        ("it exited with exit code 1", "it exited with exit code 137"),
    ] {
        assert_ne!(normalize(one), normalize(other), "{one}");
    }
}

proptest! {
    #[test]
    fn keys_are_bounded_for_any_text(text in "\\PC{0,400}|[a-z0-9'\"`/:. -]{0,2900}") {
        prop_assert!(normalize(&text).chars().count() <= MAX_KEY);
    }

    #[test]
    fn every_number_uuid_text_and_id_is_a_value(
        numbers in (any::<u64>(), any::<u64>()),
        ids in (any::<u128>(), any::<u128>()),
        texts in ("\\PC{0,60}", "\\PC{0,60}"),
        stripe in ("(evt|acct)_1[A-Za-z0-9]{15}", "(evt|acct)_1[A-Za-z0-9]{15}"),
        digests in ("[0-9a-f]{64}", "[0-9a-f]{64}"),
    ) {
        let uuid = uuid::Uuid::from_u128;
        let same = |one: String, other: String| (normalize(&one), normalize(&other));
        let pairs = [
            same(format!("card {} is gone", numbers.0), format!("card {} is gone", numbers.1)),
            same(format!("run {} is gone", uuid(ids.0)), format!("run {} is gone", uuid(ids.1))),
            same(format!("no {:?} here", texts.0), format!("no {:?} here", texts.1)),
            same(format!("digest {}", digests.0), format!("digest {}", digests.1)),
            same(
                format!("no {} here", stripe.0.replace("evt", "acct")),
                format!("no {} here", stripe.1.replace("evt", "acct")),
            ),
        ];
        for (one, other) in pairs {
            prop_assert_eq!(one, other);
        }
    }
}
