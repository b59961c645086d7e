//! Counts as scrapers write them: numbers, or strings such as `1.2M`.

use serde_json::Value;

/// A count in an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Missing, null, empty, or negative, which is how scrapers write that the account hides it.
    Absent,
    Known(i64),
    /// Not a count.
    Unreadable,
}

/// Reads a scalar. A list or an object in place of a count is something else, and counts as absent.
pub(super) fn read(value: &Value) -> Count {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => Count::Absent,
        Value::Bool(_) => Count::Unreadable,
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(count), _) if count >= 0 => Count::Known(count),
            (Some(_), _) => Count::Absent,
            (None, Some(count)) if count < 0.0 => Count::Absent,
            // Integers are exact in a float up to 2^53.
            (None, Some(count)) if count.fract() == 0.0 && count <= 9_007_199_254_740_992.0 => {
                of_text(&format!("{count:.0}"))
            }
            _ => Count::Unreadable,
        },
        Value::String(text) => match text.trim() {
            "" | "-1" => Count::Absent,
            text => of_text(text),
        },
    }
}

/// `12`, `12,345`, `1.2M`, `1.2 m`. Without a suffix a point could be a decimal point or a
/// thousands separator, so it is rejected.
fn of_text(text: &str) -> Count {
    let (number, zeros) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 3),
        Some((at, 'm' | 'M')) => (text.get(..at), 6),
        Some((at, 'b' | 'B')) => (text.get(..at), 9),
        _ => (Some(text), 0),
    };
    let known = number.and_then(|number| whole(number.trim_end(), zeros));
    known.map_or(Count::Unreadable, Count::Known)
}

/// The number with its decimal point moved by `zeros` places, if the result is an integer.
fn whole(number: &str, zeros: usize) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fraction = fraction.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = ungrouped(whole)?;
    let shaped = digits(fraction) && fraction.len() <= zeros && !number.ends_with('.');
    shaped.then(|| format!("{whole}{fraction:0<zeros$}").parse().ok()).flatten()
}

/// Digits, in groups of three or not grouped at all.
fn ungrouped(text: &str) -> Option<String> {
    let mut groups = text.split(',');
    let first = groups.next()?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = text.contains(',');
    let shaped = digits(first)
        && (!grouped || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && digits(group));
    shaped.then(|| text.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_read_as_scrapers_write_them() {
        for (value, count) in [
            (json!(0), Count::Known(0)),
            (json!(1234), Count::Known(1234)),
            (json!(12.0), Count::Known(12)),
            (json!("0"), Count::Known(0)),
            (json!("1.2M"), Count::Known(1_200_000)),
            (json!("1.2 m"), Count::Known(1_200_000)),
            (json!("3K"), Count::Known(3000)),
            (json!("2.50B"), Count::Known(2_500_000_000)),
            (json!(" 12,345 "), Count::Known(12_345)),
            (json!("1,234.5K"), Count::Known(1_234_500)),
            (json!(null), Count::Absent),
            (json!(""), Count::Absent),
            (json!(-1), Count::Absent),
            (json!("-1"), Count::Absent),
            (json!([1, 2]), Count::Absent),
            (json!({ "count": 1 }), Count::Absent),
            (json!(true), Count::Unreadable),
            (json!(1.5), Count::Unreadable),
            (json!(1e300), Count::Unreadable),
            (json!(u64::MAX), Count::Unreadable),
            (json!("1.234"), Count::Unreadable),
            (json!("1.2345K"), Count::Unreadable),
            (json!("1,23"), Count::Unreadable),
            (json!("1234,567"), Count::Unreadable),
            (json!(",123"), Count::Unreadable),
            (json!("1.M"), Count::Unreadable),
            (json!("M"), Count::Unreadable),
            (json!("many"), Count::Unreadable),
            (json!("1.2M views"), Count::Unreadable),
            (json!("99999999999999999999"), Count::Unreadable),
            (json!("9999999999999B"), Count::Unreadable),
            (json!("１２"), Count::Unreadable),
        ] {
            assert_eq!(read(&value), count, "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_count_is_read_back(count in 0..=i64::MAX) {
            prop_assert_eq!(read(&json!(count)), Count::Known(count));
            prop_assert_eq!(read(&json!(count.to_string())), Count::Known(count));
        }

        #[test]
        fn arbitrary_text_never_panics_or_becomes_negative(text in ".{0,30}") {
            if let Count::Known(count) = read(&json!(text)) {
                prop_assert!(count >= 0);
            }
        }
    }
}
