//! Edges: how a record gets from a node to its children.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Activity, TaskContext};
use crate::error::Pushed;
use crate::names::NodeName;
use crate::record::Record;

/// A node that takes records. One call per record and hop; nothing is looked up or allocated.
pub trait Push<K, V> {
    /// Takes a record and pushes what follows from it further down, before it returns.
    ///
    /// # Errors
    /// When a failure was judged to fail the task.
    fn push(&mut self, record: Record<K, V>) -> Pushed;
}

/// A linked node: owned by its one parent, or shared by several parents, the task's flushes and its
/// punctuations.
pub enum NodeCell<K, V> {
    /// Reached by its parent only.
    Owned(Box<dyn Push<K, V>>),
    /// Reached from several places. The graph has no cycles, so no two reach it at once.
    Shared(Rc<RefCell<dyn Push<K, V>>>),
}

impl<K: 'static, V: 'static> NodeCell<K, V> {
    /// A node that only its parent reaches.
    pub fn owned(node: impl Push<K, V> + 'static) -> Self {
        Self::Owned(Box::new(node))
    }

    /// A node that others reach too.
    pub fn shared<N: Push<K, V> + 'static>(node: &Rc<RefCell<N>>) -> Self {
        let node: Rc<RefCell<N>> = Rc::clone(node);
        Self::Shared(node)
    }

    /// The same node, for one more parent.
    pub(crate) fn share(&mut self) -> Self {
        if let Self::Owned(node) = self {
            let node = std::mem::replace(node, Box::new(Nowhere));
            *self = Self::Shared(Rc::new(RefCell::new(Boxed(node))));
        }
        match self {
            Self::Shared(node) => Self::Shared(Rc::clone(node)),
            Self::Owned(_) => Self::Owned(Box::new(Nowhere)),
        }
    }
}

impl<K, V> std::fmt::Debug for NodeCell<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owned(_) => "Owned",
            Self::Shared(_) => "Shared",
        })
    }
}

impl<K, V> Push<K, V> for NodeCell<K, V> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        match self {
            Self::Owned(node) => node.push(record),
            Self::Shared(node) => node.borrow_mut().push(record),
        }
    }
}

struct Boxed<K, V>(Box<dyn Push<K, V>>);

impl<K, V> Push<K, V> for Boxed<K, V> {
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        self.0.push(record)
    }
}

struct Nowhere;

impl<K, V> Push<K, V> for Nowhere {
    fn push(&mut self, _: Record<K, V>) -> Pushed {
        Ok(())
    }
}

/// Runs a node's code. A panic leaves the node's name with the task, and an error that names no node
/// gets it: the innermost node is the first to be named.
#[inline]
pub(crate) fn at_work<R>(task: &TaskContext, node: &NodeName, work: impl FnOnce() -> R) -> R {
    watched(Unwinding { task, node, activity: None }, work)
}

/// The same for code that works on something else than the task does.
#[inline]
pub(super) fn at_work_on<R>(
    (task, activity): (&TaskContext, Activity),
    node: &NodeName,
    work: impl FnOnce() -> R,
) -> R {
    watched(Unwinding { task, node, activity: Some(activity) }, work)
}

#[inline]
#[expect(clippy::mem_forget, reason = "what is forgotten holds references alone")]
fn watched<R>(unwinding: Unwinding<'_>, work: impl FnOnce() -> R) -> R {
    let result = work();
    std::mem::forget(unwinding);
    result
}

/// Forgotten by a node that did not panic, so that it costs nothing then.
struct Unwinding<'a> {
    task: &'a TaskContext,
    node: &'a NodeName,
    activity: Option<Activity>,
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        let activity = self.activity.unwrap_or_else(|| self.task.activity());
        self.task.panicked_in(self.node, activity);
    }
}

/// The way from a node to its children, in the order in which they were added.
pub struct Edge<K, V> {
    task: Rc<TaskContext>,
    first: Vec<(NodeName, NodeCell<K, V>)>,
    last: Option<(NodeName, NodeCell<K, V>)>,
}

impl<K, V> std::fmt::Debug for Edge<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.children()).finish()
    }
}

impl<K, V> Edge<K, V> {
    pub(crate) fn new(
        task: Rc<TaskContext>,
        mut children: Vec<(NodeName, NodeCell<K, V>)>,
    ) -> Self {
        let last = children.pop();
        Self { task, first: children, last }
    }

    /// The children's names.
    pub fn children(&self) -> impl Iterator<Item = &NodeName> {
        self.first.iter().chain(&self.last).map(|(name, _)| name)
    }

    /// Whether nobody is there to take a record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Gives the record to one child only; without effect when there is no such child.
    ///
    /// # Errors
    /// As for [`Push::push`].
    pub fn push_to(&mut self, child: usize, record: Record<K, V>) -> Pushed {
        match self.first.iter_mut().chain(&mut self.last).nth(child) {
            Some((name, node)) => give(&self.task, name, || node.push(record)),
            None => Ok(()),
        }
    }
}

/// Gives a child its record.
#[inline]
fn give(task: &TaskContext, child: &NodeName, push: impl FnOnce() -> Pushed) -> Pushed {
    at_work(task, child, push).map_err(|error| error.in_node(child))
}

impl<K: Clone, V: Clone> Push<K, V> for Edge<K, V> {
    #[inline]
    fn push(&mut self, record: Record<K, V>) -> Pushed {
        // Most nodes have one child, which nobody else reaches: one call, inlined into the node.
        if let (true, Some((name, NodeCell::Owned(child)))) =
            (self.first.is_empty(), &mut self.last)
        {
            return give(&self.task, name, || child.push(record));
        }
        self.push_to_all(record)
    }
}

impl<K: Clone, V: Clone> Edge<K, V> {
    #[inline(never)]
    fn push_to_all(&mut self, record: Record<K, V>) -> Pushed {
        for (name, child) in &mut self.first {
            give(&self.task, name, || child.push(record.clone()))?;
        }
        match &mut self.last {
            Some((name, child)) => give(&self.task, name, || child.push(record)),
            None => Ok(()),
        }
    }
}
