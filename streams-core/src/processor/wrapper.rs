//! Code around the processors of a topology.

use std::rc::Rc;

use super::edge::{NodeCell, Push};
use super::{AroundProcessor, RecordHead, TaskContext};
use crate::error::Pushed;
use crate::names::NodeName;
use crate::record::Record;

/// A node with a wrapper's code around it. Where there is none, no such node is linked.
pub(super) struct Wrapped<K, V> {
    node: NodeCell<K, V>,
    around: Box<dyn AroundProcessor>,
    name: NodeName,
    task: Rc<TaskContext>,
}

impl<K: 'static, V: 'static> Wrapped<K, V> {
    pub(super) fn cell(
        node: NodeCell<K, V>,
        around: Box<dyn AroundProcessor>,
        (name, task): (&NodeName, &Rc<TaskContext>),
    ) -> NodeCell<K, V> {
        NodeCell::owned(Self { node, around, name: name.clone(), task: Rc::clone(task) })
    }
}

impl<K, V> Push<K, V> for Wrapped<K, V> {
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        let head = RecordHead { timestamp: record.timestamp, headers: &record.headers };
        if let Err(error) = self.around.before(head) {
            return self.task.settle(&self.name, Err(error));
        }
        let pushed = self.node.push(record);
        self.around.after(match &pushed {
            Ok(()) => Ok(()),
            Err(error) => Err(error),
        });
        pushed
    }
}
