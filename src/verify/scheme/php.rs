//! The PHP serialization of a form, which some senders sign.

use super::missing::Missing;

/// `a:2:{s:1:"a";s:1:"1";…}` of the fields by name, without one that has the signature.
///
/// PHP changes names that are numbers or have dots, and sorts numbers in another way: no sender has
/// such names, so a form with them is refused.
pub(super) fn serialize(fields: &[(String, String)], without: &str) -> Result<String, Missing> {
    let mut sorted: Vec<&(String, String)> =
        fields.iter().filter(|(name, _)| name != without).collect();
    sorted.sort_unstable();
    let is_plain = |name: &str| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        name.bytes().all(is_word) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    if sorted.iter().any(|(name, _)| !is_plain(name)) {
        return Err(Missing::UNCOVERED);
    }
    if sorted.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
        return Err(Missing::DIFFERENT);
    }
    let mut text = format!("a:{}:{{", sorted.len());
    for (name, value) in sorted {
        for part in [name, value] {
            let length = part.len().to_string();
            text.extend(["s:", length.as_str(), ":\"", part.as_str(), "\";"]);
        }
    }
    text.push('}');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialized(fields: &[(&str, &str)]) -> Result<String, Missing> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        serialize(&fields.iter().map(owned).collect::<Vec<_>>(), "sig")
    }

    #[test]
    fn fields_are_sorted_and_counted_in_bytes() {
        let text = serialized(&[("b9", "ë"), ("sig", "x"), ("b10", ""), ("a", "\"")]).unwrap();
        assert_eq!(text, r#"a:3:{s:1:"a";s:1:""";s:3:"b10";s:0:"";s:2:"b9";s:2:"ë";}"#);
        assert_eq!(serialized(&[]).unwrap(), "a:0:{}");
    }

    #[test]
    fn form_that_php_would_read_in_another_way_is_refused() {
        for name in ["1", "-1", "a.b", "a b", "a[]", "", "ä"] {
            assert_eq!(serialized(&[(name, "1")]), Err(Missing::UNCOVERED), "{name}");
        }
        assert_eq!(serialized(&[("a", "1"), ("a", "2")]), Err(Missing::DIFFERENT));
    }
}
