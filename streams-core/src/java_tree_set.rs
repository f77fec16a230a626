//! A `java.util.TreeSet` whose order may change under it.
//!
//! Kafka keeps the neighbours of a described node in a tree set ordered by sizes that go on growing
//! after the insertion, so the printed order depends on the tree's very shape.

use std::cmp::Ordering;

const NIL: usize = usize::MAX;

#[derive(Debug, Clone)]
struct Leaf {
    item: usize,
    parent: usize,
    children: [usize; 2],
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Color {
    Red,
    Black,
}

/// A red-black tree with the insertion of `java.util.TreeMap`.
#[derive(Debug, Clone)]
pub(crate) struct JavaTreeSet {
    leaves: Vec<Leaf>,
    root: usize,
}

impl Default for JavaTreeSet {
    fn default() -> Self {
        Self { leaves: Vec::new(), root: NIL }
    }
}

impl JavaTreeSet {
    /// Adds an item, unless the comparison finds it equal to one on its way down.
    pub(crate) fn add(&mut self, item: usize, compare: impl Fn(usize, usize) -> Ordering) {
        let (mut at, mut parent, mut side) = (self.root, NIL, 0);
        while at != NIL {
            parent = at;
            side = match compare(item, self.leaves[at].item) {
                Ordering::Equal => return,
                Ordering::Less => 0,
                Ordering::Greater => 1,
            };
            at = self.leaves[at].children[side];
        }
        let new = self.leaves.len();
        self.leaves.push(Leaf { item, parent, children: [NIL, NIL], color: Color::Red });
        if parent == NIL {
            self.root = new;
        } else {
            self.leaves[parent].children[side] = new;
        }
        self.rebalance(new);
    }

    fn is_red(&self, at: usize) -> bool {
        at != NIL && self.leaves[at].color == Color::Red
    }

    fn parent(&self, at: usize) -> usize {
        if at == NIL { NIL } else { self.leaves[at].parent }
    }

    fn child(&self, at: usize, side: usize) -> usize {
        if at == NIL { NIL } else { self.leaves[at].children[side] }
    }

    fn paint(&mut self, at: usize, color: Color) {
        if at != NIL {
            self.leaves[at].color = color;
        }
    }

    fn rebalance(&mut self, mut at: usize) {
        while at != self.root && self.is_red(self.parent(at)) {
            let parent = self.parent(at);
            let grandparent = self.parent(parent);
            let side = usize::from(self.child(grandparent, 0) != parent);
            let uncle = self.child(grandparent, 1 - side);
            if self.is_red(uncle) {
                self.paint(parent, Color::Black);
                self.paint(uncle, Color::Black);
                self.paint(grandparent, Color::Red);
                at = grandparent;
                continue;
            }
            if at == self.child(parent, 1 - side) {
                at = parent;
                self.rotate(at, side);
            }
            let parent = self.parent(at);
            let grandparent = self.parent(parent);
            self.paint(parent, Color::Black);
            self.paint(grandparent, Color::Red);
            self.rotate(grandparent, 1 - side);
        }
        self.paint(self.root, Color::Black);
    }

    /// Rotates towards `side`: the child on the other side comes up.
    fn rotate(&mut self, at: usize, side: usize) {
        let up = self.child(at, 1 - side);
        if at == NIL || up == NIL {
            return;
        }
        let inner = self.child(up, side);
        self.leaves[at].children[1 - side] = inner;
        if inner != NIL {
            self.leaves[inner].parent = at;
        }
        let parent = self.parent(at);
        self.leaves[up].parent = parent;
        if parent == NIL {
            self.root = up;
        } else {
            let at_side = usize::from(self.leaves[parent].children[0] != at);
            self.leaves[parent].children[at_side] = up;
        }
        self.leaves[up].children[side] = at;
        self.leaves[at].parent = up;
    }

    /// The items from the tree's left to its right.
    pub(crate) fn items(&self) -> Vec<usize> {
        let (mut items, mut path, mut at) = (Vec::new(), Vec::new(), self.root);
        while at != NIL || !path.is_empty() {
            if at == NIL {
                at = path.pop().unwrap_or(NIL);
                items.push(self.leaves[at].item);
                at = self.child(at, 1);
            } else {
                path.push(at);
                at = self.child(at, 0);
            }
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn with_a_fixed_order_it_is_a_sorted_set(items: Vec<u16>) {
            let mut set = JavaTreeSet::default();
            for item in &items {
                set.add(usize::from(*item), |a, b| a.cmp(&b));
            }
            let expected: std::collections::BTreeSet<usize> =
                items.iter().copied().map(usize::from).collect();
            prop_assert_eq!(set.items(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
