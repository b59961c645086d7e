//! The text of a message: one bounded line per alert, without anything that Discord would
//! interpret.
//!
//! Parts of it are untrusted, such as a path or a commit message. They are written between
//! backticks, where Discord interprets no markup, link or mention, and backticks in them are
//! replaced.

use crate::store::{PendingAlert, Severity};

/// The maximum length of a message. Discord accepts 2,000 characters, and does not document what it
/// counts.
const MAX_MESSAGE: usize = 1_900;
/// The maximum length of one alert's text.
const MAX_TEXT: usize = 300;
/// Reserved for the last line.
const RESERVE: usize = 80;

pub(super) fn of_alerts(alerts: &[PendingAlert]) -> String {
    let mut message = String::new();
    let mut length = 0;
    for (index, alert) in alerts.iter().enumerate() {
        let line = line(alert);
        let after = length + units(&line) + 1;
        if after > MAX_MESSAGE - RESERVE {
            let left = alerts.len() - index;
            let more = format!("and {left} more: `sealpost alerts list`");
            message.push_str(&more);
            break;
        }
        message.push_str(&line);
        message.push('\n');
        length = after;
    }
    message.truncate(message.trim_end().len());
    message
}

/// A message with the number of alerts only.
pub(super) fn of_number(alerts: usize) -> String {
    format!("\u{1f7e0} {alerts} cannot be shown here: `sealpost alerts list`")
}

pub(super) fn of_test(text: &str) -> String {
    format!("\u{2705} {}", quoted(text))
}

fn line(alert: &PendingAlert) -> String {
    let mark = match (alert.resolution, alert.severity) {
        (true, _) => '\u{1f7e2}',
        (false, Severity::Info) => '\u{1f535}',
        (false, Severity::Warning) => '\u{1f7e0}',
        (false, Severity::Critical) => '\u{1f534}',
    };
    let times = match (alert.count, alert.notified_count) {
        (1, _) => String::new(),
        (count, 0) => format!(" (\u{d7}{count})"),
        (count, sent) => format!(" (\u{d7}{count}, {} new)", count - sent),
    };
    let [source, alert_type, text] =
        [&alert.source, &alert.alert_type, &alert.text].map(|text| quoted(text));
    format!("{mark} {source} {alert_type}{times}: {text}")
}

/// Untrusted text as code on one line.
fn quoted(text: &str) -> String {
    let mut clean = String::from("`");
    let mut length = 0;
    let mut blank = true;
    for character in text.chars() {
        let character = match character {
            '`' => '\'',
            c if c.is_whitespace() || c.is_control() => ' ',
            c if is_invisible(c) => continue,
            c => c,
        };
        if character == ' ' && blank {
            continue;
        }
        blank = character == ' ';
        if length + character.len_utf16() > MAX_TEXT {
            clean.push('\u{2026}');
            break;
        }
        length += character.len_utf16();
        clean.push(character);
        if character == '@' {
            // In case it is ever outside of backticks: breaks a mention.
            length += 1;
            clean.push('\u{200b}');
        }
    }
    clean.truncate(clean.trim_end().len());
    if clean.len() == 1 {
        clean.push('-');
    }
    clean.push('`');
    clean
}

/// Whether a character has no width or changes the writing direction.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The length by the largest count that Discord may use, except bytes.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::*;

    fn alert(text: &str) -> PendingAlert {
        PendingAlert {
            id: 1,
            source: "cards".into(),
            alert_type: "sync_failed".into(),
            severity: Severity::Warning,
            resolution: false,
            text: text.into(),
            last_at: OffsetDateTime::UNIX_EPOCH,
            count: 1,
            notified_count: 0,
        }
    }

    #[test]
    fn line_has_source_type_and_count() {
        let again = PendingAlert { count: 5, ..alert("a") };
        let reminder = PendingAlert { count: 9, notified_count: 5, ..alert("a") };
        let over = PendingAlert { resolution: true, ..alert("fine") };
        assert_eq!(
            of_alerts(&[alert("it broke"), again, reminder, over]),
            "\u{1f7e0} `cards` `sync_failed`: `it broke`\n\
             \u{1f7e0} `cards` `sync_failed` (\u{d7}5): `a`\n\
             \u{1f7e0} `cards` `sync_failed` (\u{d7}9, 4 new): `a`\n\
             \u{1f7e2} `cards` `sync_failed`: `fine`"
        );
    }

    #[test]
    fn untrusted_text_stays_in_backticks_on_one_line() {
        for (text, shown) in [
            (
                "``` @everyone [x](https://evil.test)",
                "`''' @\u{200b}everyone [x](https://evil.test)`",
            ),
            ("a\n# b\r\n> c\t\u{1b}[31m", "`a # b > c [31m`"),
            ("<@123> \u{202e}**b**\u{200b}", "`<@\u{200b}123> **b**`"),
            ("", "`-`"),
            (" \n\u{200b}", "`-`"),
        ] {
            assert_eq!(quoted(text), shown);
        }
        assert_eq!(units(&quoted(&"\u{1f600}".repeat(900))), 303, "and it is truncated");
    }

    #[test]
    fn alerts_that_do_not_fit_are_counted() {
        let message = of_alerts(&vec![alert(&"x".repeat(500)); 100]);
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 6, "{message}");
        assert_eq!(lines[5], "and 95 more: `sealpost alerts list`");
    }

    proptest! {
        #[test]
        fn messages_are_bounded_and_text_stays_in_backticks(
            texts in prop::collection::vec(
                prop::collection::vec(prop_oneof![any::<char>(), Just('`'), Just('@'), Just('\n')], 0..400),
                0..12,
            ),
        ) {
            let texts: Vec<String> = texts.iter().map(|text| text.iter().collect()).collect();
            let alerts: Vec<PendingAlert> = texts.iter().map(|text| alert(text)).collect();
            let message = of_alerts(&alerts);
            prop_assert!(units(&message) <= MAX_MESSAGE);
            for line in message.lines() {
                let quotes = line.matches('`').count();
                prop_assert!(quotes == 6 || line.starts_with("and "), "{}", line);
            }
        }
    }
}
