//! Log lines as JSON: one object a line, with an error and everything that caused it.

use std::error::Error;
use std::fmt;

use serde::ser::{SerializeMap, Serializer as _};
use serde_json::Serializer;
use serde_json::value::RawValue;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock as _, SystemClock};

const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Writes one object a line.
pub(super) struct Json;

impl<S: Subscriber + for<'s> LookupSpan<'s>> FormatEvent<S, JsonFields> for Json {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let timestamp = SystemClock.now().format(TIMESTAMP).map_err(|_| fmt::Error)?;
        let mut line = Vec::with_capacity(256);
        let mut serializer = Serializer::new(&mut line);
        let mut write = || {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("timestamp", &timestamp)?;
            map.serialize_entry("level", event.metadata().level().as_str())?;
            let mut fields = Fields { map: &mut map, failed: None };
            event.record(&mut fields);
            fields.failed.map_or(Ok(()), Err)?;
            map.serialize_entry("target", event.metadata().target())?;
            if let Some(span) = context.lookup_current() {
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<JsonFields>>();
                let fields = fields.map(|fields| fields.fields.clone()).unwrap_or_default();
                if let Ok(fields) = RawValue::from_string(fields) {
                    map.serialize_entry("span", &fields)?;
                }
            }
            map.end()
        };
        write().map_err(|_: serde_json::Error| fmt::Error)?;
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

/// Writes the fields of an event into the object.
struct Fields<'m, M: SerializeMap> {
    map: &'m mut M,
    failed: Option<M::Error>,
}

impl<M: SerializeMap> Fields<'_, M> {
    fn put<T: serde::Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        if self.failed.is_none() {
            let name = field.name().strip_prefix("r#").unwrap_or(field.name());
            self.failed = self.map.serialize_entry(name, value).err();
        }
    }
}

impl<M: SerializeMap> Visit for Fields<'_, M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, &chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// An error and what caused it, on one line. What a cause says that was said already is left out.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Lines {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the outer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the \"inner\"\nreason")]
    struct Inner;

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(Json)
            .with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let written = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(written).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_what_caused_an_error() {
        let lines = logged(|| {
            let error: &dyn Error = &Outer(Inner);
            tracing::warn!(error, number = 7, none = None::<&str>, "it\nfailed");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["error"], "the outer: the \"inner\"\nreason");
        assert_eq!(
            (&lines[0]["message"], &lines[0]["level"]),
            (&"it\nfailed".into(), &"WARN".into())
        );
        assert_eq!(lines[0]["number"], 7);
        assert!(lines[0].get("none").is_none());
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_line_inside_a_span_has_the_spans_fields() {
        let lines = logged(|| {
            let _inside = tracing::info_span!("attempt", delivery.id = 3).entered();
            tracing::info!("begun");
        });
        assert_eq!(lines[0]["span"]["delivery.id"], 3);
    }
}
