//! Tests with bodies that were changed or damaged on the way.

use super::*;

#[test]
fn changed_body_is_recognised() {
    use BodyForm::{
        Base64, FormEncoded, GainedBlanks, GainedBom, LineEnds, LostNewline, Mojibake, Normalised,
        OneByteCharset, Rewritten,
    };
    let style = |spacing, escapes, sorted| Rewritten(Style { spacing, escapes, sorted });
    let python = "{\"b\": 1.50, \"a\": [\"\\u00e8/<\", null]}";
    let php = "{\"b\":1.50,\"a\":[\"\\u00e8\\/<\",null]}";
    let sorted = "{\"a\":[\"è/<\",null],\"b\":1.50}";
    let pretty = "{\n  \"b\": 1.50,\n  \"a\": [\n    \"è/<\",\n    null\n  ]\n}";
    let bom = format!("\u{feff}{BODY}");
    let newline = format!("{BODY}\n");
    let cases = [
        (python, BODY, style(Spacing::Blanks, Escapes::NonAscii, false)),
        (php, BODY, style(Spacing::Compact, Escapes::Slashes, false)),
        (sorted, BODY, style(Spacing::Compact, Escapes::Least, true)),
        (pretty, BODY, style(Spacing::Indented(2), Escapes::Least, false)),
        (BODY, pretty, style(Spacing::Compact, Escapes::Least, false)),
        (&newline, BODY, LostNewline),
        (BODY, &newline, GainedBlanks),
        (BODY, &bom, GainedBom),
        ("a\nb", "a\r\nb", LineEnds),
        ("a\r\nb", "a\nb", LineEnds),
        (BODY, &STANDARD.encode(BODY), Base64),
        (BODY, &format!("\"{}\"", STANDARD.encode(BODY)), Base64),
        (BODY, &format!("payload={}", urlencoded(BODY)), FormEncoded),
        (BODY, &urlencoded(BODY), FormEncoded),
        ("{\"a\":\"M\u{fc}ller\"}", "{\"a\":\"Mu\u{308}ller\"}", Normalised),
        ("{\"a\":\"Mu\u{308}ller\"}", "{\"a\":\"M\u{fc}ller\"}", Normalised),
        ("{\"a\":\"Müller €\"}", "{\"a\":\"MÃ¼ller â‚¬\"}", Mojibake),
    ];
    let latin = ("{\"a\":\"Müller\"}", &b"{\"a\":\"M\xfcller\"}"[..]);
    let windows = ("{\"a\":\"10 €\"}", &b"{\"a\":\"10 \x80\"}"[..]);
    for name in names() {
        for (signed, arrived) in [latin, windows] {
            let mut scene = Scene::with(name, SECRET, NOW, signed);
            scene.body = arrived.to_vec();
            let made = scene.explain().made.expect("the change is recognised");
            assert_eq!(made.deviations, [Deviation::Body(OneByteCharset)], "{name} {signed}");
        }
    }
    for name in names() {
        for (signed, arrived, form) in &cases {
            let mut scene = Scene::with(name, SECRET, NOW, signed);
            scene.body = arrived.as_bytes().to_vec();
            let explanation = scene.explain();
            assert_eq!(
                explanation.kind().as_str(),
                "body_changed",
                "{name} {form:?}: {explanation:?}"
            );
            assert_eq!(explanation.made.unwrap().deviations, [Deviation::Body(*form)], "{name}");
        }
    }
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn damaged_body_is_recognised() {
    for name in names() {
        for (arrived, word) in [
            (&b""[..], "body_empty"),
            (&BODY.as_bytes()[..BODY.len() - 4], "body_cut"),
            (b"\x1f\x8b\x08\x00", "body_compressed"),
            ("{\"a\":\"M\u{fffd}ller\"}".as_bytes(), "body_replaced"),
        ] {
            let mut scene = Scene::with(name, SECRET, NOW, BODY);
            scene.body = arrived.to_vec();
            let explanation = scene.explain();
            assert_eq!(explanation.kind().as_str(), word, "{name}: {explanation:?}");
            assert!(explanation.hint().is_some());
        }
    }
}

#[test]
fn large_body_is_not_tried_in_every_way() {
    let body = "x".repeat(20 << 20);
    let mut scene = Scene::with("stripe", OTHER, NOW, &body);
    scene.body.push(b'x');
    let explanation = scene.explain();
    assert!(explanation.cut && explanation.text().contains("not every possible change"));
}
