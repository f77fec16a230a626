//! A long list that is not moved while it grows: an allocator has nothing to put into the room that a
//! list of megabytes leaves behind.

use std::ops::{Index, IndexMut};

/// Items of a page.
const PAGE: usize = 4096;

/// All pages but the last are full.
#[derive(Debug)]
pub(super) struct Pages<T>(Vec<Vec<T>>);

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Pages<T> {
    pub(super) fn len(&self) -> usize {
        let last = self.0.last().map_or(0, Vec::len);
        self.0.len().saturating_sub(1) * PAGE + last
    }

    pub(super) fn push(&mut self, item: T) {
        match self.0.last_mut() {
            // The first page may stay small.
            Some(page) if page.len() < PAGE => page.push(item),
            None => self.0.push(vec![item]),
            Some(_) => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(item);
                self.0.push(page);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        // A last page that became empty stays until the next one does.
        if self.0.last().is_some_and(Vec::is_empty) {
            self.0.pop();
        }
        self.0.last_mut()?.pop()
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at / PAGE)?.get(at % PAGE)
    }

    pub(super) fn swap(&mut self, a: usize, b: usize) {
        (self[a], self[b]) = (self[b], self[a]);
    }

    pub(super) fn fill(&mut self, item: T) {
        self.0.iter_mut().for_each(|page| page.fill(item));
    }

    /// What is allocated for the items, used or not.
    #[cfg(test)]
    pub(super) fn allocated_bytes(&self) -> usize {
        self.0.iter().map(|page| page.capacity() * size_of::<T>() + size_of::<Vec<T>>()).sum()
    }
}

impl<T: Copy> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut pages = Self::default();
        items.into_iter().for_each(|item| pages.push(item));
        pages
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.0[at / PAGE][at % PAGE]
    }
}

impl<T> IndexMut<usize> for Pages<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at / PAGE][at % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, Pages};

    #[test]
    fn items_are_where_they_were_put_and_leave_from_the_end() {
        let numbers = 2 * PAGE + 3;
        let mut pages = Pages::default();
        for number in 0..numbers {
            assert_eq!((pages.len(), pages.get(number)), (number, None));
            pages.push(number);
        }
        pages.swap(0, PAGE);
        assert_eq!((pages[0], pages[PAGE]), (PAGE, 0));
        pages.swap(0, PAGE);
        for number in (PAGE..numbers).rev() {
            assert_eq!((pages.pop(), pages.len()), (Some(number), number));
        }
        pages.push(7);
        assert!((0..=PAGE).all(|at| pages[at] == if at == PAGE { 7 } else { at }));
        pages.fill(1);
        assert_eq!((pages.get(PAGE), pages.get(PAGE + 1)), (Some(&1), None));
        (0..=PAGE).for_each(|_| assert_eq!(pages.pop(), Some(1)));
        assert_eq!((pages.pop(), pages.len()), (None, 0));
    }
}
