//! Prints each record; nothing comes after it. Kafka's `KStreamPrint`.

use std::sync::Arc;

use streams_core::error::Pushed;
use streams_core::processor::{Edge, NodeCell, NodeLinks, ProcessorTemplate, Push};
use streams_core::record::Record;

use crate::args::{Line, Printer};

pub(crate) const PREFIX: &str = "KSTREAM-PRINTER-";

struct Print<K, V> {
    line: Arc<Line<K, V>>,
    label: Arc<str>,
    printer: Printer,
}

impl<K, V> Push<K, V> for Print<K, V> {
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        self.printer.print(&self.label, &(self.line)(&record.key, &record.value));
        Ok(())
    }
}

/// Prints each record as `line` writes it, behind the label.
pub(crate) fn template<K: 'static, V: 'static>(
    label: &str,
    line: Arc<Line<K, V>>,
    printer: Printer,
) -> ProcessorTemplate {
    let label: Arc<str> = label.into();
    ProcessorTemplate::new(move |_: &mut NodeLinks<'_>, _: Edge<(), ()>| {
        let (line, label, printer) = (Arc::clone(&line), Arc::clone(&label), printer.clone());
        Ok(NodeCell::<K, V>::owned(Print { line, label, printer }))
    })
}
