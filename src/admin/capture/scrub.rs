//! Removes secrets and personal data from a payload. Replacements keep the shape of the value, and
//! the same value gets the same replacement everywhere, so that references stay intact.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Scrubbed;

/// Longer texts are free text.
const FREE_TEXT: usize = 80;

/// Parts of the names of fields with secrets.
const SECRET: &[&str] = &["secret", "token", "password", "authorization", "api_key", "apikey"];
const PERSONAL: &[&str] = &[
    "email",
    "phone",
    "address",
    "street",
    "city",
    "postal",
    "zip",
    "line1",
    "line2",
    "last4",
    "birth",
    "iban",
    "tax_id",
    "username",
    "nickname",
    "avatar",
    "description",
    "message",
];
/// Names of fields with personal data.
const NAMES: &[&str] = &[
    "name",
    "first_name",
    "last_name",
    "full_name",
    "display_name",
    "owner",
    "login",
    "ip",
    "dob",
    "text",
    "body",
    "subject",
];
/// The numbers of digits of a telephone number.
const PHONE: std::ops::RangeInclusive<usize> = 7..=15;

/// Scrubs `value`, except for the fields in `keep`.
pub(super) fn scrub(value: &mut Value, keep: &[String]) -> Vec<Scrubbed> {
    let mut done = Vec::new();
    walk(value, "", "", keep, &mut done);
    done
}

fn walk(value: &mut Value, field: &str, place: &str, keep: &[String], done: &mut Vec<Scrubbed>) {
    if keep.iter().any(|kept| kept == field) {
        return;
    }
    match value {
        Value::Object(fields) => {
            let is_file = fields.contains_key("sha") && fields.contains_key("content");
            for (name, value) in fields.iter_mut() {
                if is_file && matches!(&**name, "content" | "sha" | "path") {
                    continue;
                }
                walk(value, name, &format!("{place}/{name}"), keep, done);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, field, &format!("{place}/{index}"), keep, done);
            }
        }
        Value::String(text) => {
            if let Some((rule, replacement)) = replaced(field, text) {
                *text = replacement;
                done.push(Scrubbed { place: place.to_owned(), rule: rule.to_owned() });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The replacement of a text, if the field requires one.
pub(super) fn replaced(field: &str, text: &str) -> Option<(&'static str, String)> {
    let field = field.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| field.contains(part));
    if text.is_empty() {
        return None;
    }
    if has(SECRET) {
        return Some(("secret", shaped(text)));
    }
    if text.contains('@') && !text.contains(' ') && !text.contains("://") {
        return Some(("e-mail", format!("{}@example.com", digits(text, 8))));
    }
    if is_phone(text) {
        return Some(("phone", shaped(text)));
    }
    if text.contains("://") {
        return Some(("url", format!("https://example.com/{}", digits(text, 8))));
    }
    if has(PERSONAL) || NAMES.contains(&&*field) {
        return Some(("personal", shaped(text)));
    }
    if let Some((prefix, id)) = text.rsplit_once('_')
        && id.len() >= 8
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && id.bytes().any(|byte| byte.is_ascii_digit())
    {
        return Some(("id", format!("{prefix}_{}", digits(text, id.len()))));
    }
    (text.chars().count() > FREE_TEXT && text.contains(' ')).then(|| ("free text", masked(text)))
}

/// Whether it is a telephone number in international form.
fn is_phone(text: &str) -> bool {
    let Some(number) = text.strip_prefix('+') else { return false };
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let fits = |character: char| character.is_ascii_digit() || " -().".contains(character);
    PHONE.contains(&digits) && number.chars().all(fits)
}

/// Hexadecimal digits derived from a text.
fn digits(text: &str, count: usize) -> String {
    let digest = hex::encode(Sha256::digest(text));
    digest.chars().cycle().take(count).collect()
}

/// A text of the same shape, derived from the original: letters for letters, digits for digits.
fn shaped(text: &str) -> String {
    let digest = Sha256::digest(text);
    let chance = digest.iter().copied().cycle();
    let pairs = text.chars().zip(chance);
    let one = |(character, byte): (char, u8)| match character {
        'A'..='Z' => char::from(b'A' + byte % 26),
        '0'..='9' => char::from(b'0' + byte % 10),
        _ if character.is_alphabetic() => char::from(b'a' + byte % 26),
        _ => character,
    };
    pairs.map(one).collect()
}

/// Free text with its letters and digits masked; its structure stays.
pub(super) fn masked(text: &str) -> String {
    let one = |character: char| match character {
        'A'..='Z' => 'X',
        '0'..='9' => '0',
        _ if character.is_alphabetic() => 'x',
        _ => character,
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_and_personal_data_are_replaced_and_the_rest_stays() {
        let mut value = json!({
            "id": "evt_1NG8Du2eZvKYlo2C", "type": "account.updated", "amount": 1200,
            "customer": { "email": "Ada@Example.org", "name": "Ada Lovelace", "phone": "+44 20 7946" },
            "again": { "id": "evt_1NG8Du2eZvKYlo2C" }, "client_secret": "pi_abc_secret_123",
            "link": "https://user:pw@host/x?token=1", "currency": "eur",
            "created": "2025-01-11T12:00:00.000Z",
        });
        let done = scrub(&mut value, &["currency".into()]);
        let text = value.to_string();
        for removed in ["Ada", "Lovelace", "7946", "1NG8Du2eZvKYlo2C", "secret_123", "user:pw"] {
            assert!(!text.contains(removed), "{removed}: {text}");
        }
        assert_eq!(value["id"], value["again"]["id"], "references stay intact");
        assert!(value["id"].as_str().unwrap().starts_with("evt_"));
        assert_eq!(value["type"], "account.updated");
        assert_eq!(value["created"], "2025-01-11T12:00:00.000Z");
        assert!(done.iter().any(|one| one.place == "/customer/email" && one.rule == "e-mail"));
    }

    #[test]
    fn listed_fields_are_kept() {
        let mut value = json!({ "name": "Ada" });
        assert!(scrub(&mut value, &["name".into()]).is_empty());
        assert_eq!(value["name"], "Ada");
    }
}
