//! JSON log lines: one flat object per line. Fields of spans are merged into the line, and numbers
//! stay numbers.

use std::fmt::{self, Debug};

use serde::Serialize;
use serde_json::{Number, Value};
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock};

/// Fields in the order in which they were recorded.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.push((field.name(), value));
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Number::from_f64(value).map_or(Value::Null, Value::Number));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        let number = i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from);
        self.put(field, number);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        let number = u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from);
        self.put(field, number);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

/// Stores the fields of spans, to add them to the lines written within them.
#[derive(Debug)]
pub(super) struct KeepFields;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for KeepFields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }
}

/// Writes a line.
#[derive(Debug)]
pub(super) struct Flat;

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut own = Fields::default();
        event.record(&mut own);
        let now = SystemClock.now().format(&Rfc3339).map_err(|_| fmt::Error)?;
        let mut line = Line::default();
        // The most important fields come first.
        line.put("timestamp", &now.into());
        line.put("level", &metadata.level().as_str().into());
        for name in ["event", "message"] {
            if let Some(value) = own.get(name) {
                line.put(name, value);
            }
        }
        // Lines of the crate `log` carry their own target.
        match own.get("log.target") {
            Some(target) => line.put("target", target),
            None => line.put("target", &metadata.target().into()),
        }
        line.put_all(&own);
        // The innermost span comes first, and its fields hide those of outer ones.
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.put_all(fields);
            }
        }
        writer.write_str(&line.finish())
    }
}

/// A line that is being written: the text of its object, and the names that it has.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    names: Vec<&'static str>,
}

impl Line {
    /// Writes a field, unless the line has one of this name.
    fn put(&mut self, name: &'static str, value: &Value) {
        if self.names.contains(&name) {
            return;
        }
        self.text.push(if self.names.is_empty() { b'{' } else { b',' });
        self.names.push(name);
        self.write(name);
        self.text.push(b':');
        self.write(value);
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        // Writing text to memory does not fail.
        let written = serde_json::to_writer(&mut self.text, value);
        debug_assert!(written.is_ok());
    }

    fn put_all(&mut self, Fields(fields): &Fields) {
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with("log.")) {
            self.put(name, value);
        }
    }

    fn finish(mut self) -> String {
        self.text.extend_from_slice(b"}\n");
        String::from_utf8(self.text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber =
            tracing_subscriber::registry().with(KeepFields).with(layer.event_format(Flat));
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_flat_and_numbers_stay_numbers() {
        let span = || tracing::info_span!("delivery", delivery.id = 7_i64, attempt = 2_u32);
        let lines = lines(|| {
            span().in_scope(|| {
                tracing::info!(duration_ms = 46_i128, wait_ms = 5_u128, "done\nwith it");
                tracing::warn!(event = "ingest.rejected", share = 0.5, late = true, who = %"ada");
            });
        });
        let done = &lines[0];
        for (name, value) in
            [("duration_ms", 46), ("wait_ms", 5), ("delivery.id", 7), ("attempt", 2)]
        {
            assert_eq!(done[name], value, "{done}");
        }
        assert_eq!((&done["message"], &done["level"]), (&"done\nwith it".into(), &"INFO".into()));
        assert!(done.get("span").is_none() && done["target"].is_string(), "{done}");
        assert_eq!(lines[1]["late"], true);
        assert_eq!((&lines[1]["share"], &lines[1]["who"]), (&0.5.into(), &"ada".into()));
    }

    #[test]
    fn error_is_written_with_its_causes() {
        let error = io::Error::other(fmt::Error);
        let lines = lines(|| {
            tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "it failed");
        });
        let text = lines[0]["error"].as_str().unwrap();
        assert!(text.starts_with("an error occurred when formatting"), "{text}");
    }
}
