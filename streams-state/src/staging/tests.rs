//! Staged rows over a byte store.

use super::*;
use crate::bytes::MemoryStore;

fn staged(budget: &Arc<OverlayBudget>) -> Staged {
    Staged::new(Bytes::Memory(MemoryStore::default()), budget)
}

/// Keys hash to themselves.
fn put(staged: &Staged, key: u32) {
    staged.put(key.into(), &key.to_be_bytes(), Some(&[0; 8]), None).unwrap();
}

fn get(staged: &Staged, key: u32) {
    staged.read_with(key.into(), &key.to_be_bytes(), |_| ()).unwrap();
}

fn clean_bytes(staged: &Staged) -> usize {
    staged.overlay.borrow().clean_bytes()
}

#[test]
fn recent_rows_stay_within_the_budget() {
    let budget = Arc::new(OverlayBudget::new(100_000));
    let store = staged(&budget);
    for key in 0..10_000 {
        get(&store, key);
        assert!(clean_bytes(&store) <= 100_000);
    }
    assert!(clean_bytes(&store) > 90_000);
    // What is staged comes first, and stays.
    for key in 0..5_000 {
        put(&store, key);
    }
    for key in 20_000..21_000 {
        get(&store, key);
    }
    assert!(store.staged_bytes() > 100_000);
    assert!(clean_bytes(&store) < store.staged_bytes() / 32, "{}", clean_bytes(&store));
    store.committed(None);
    assert_eq!(store.staged_bytes(), 0);
    assert!(clean_bytes(&store) <= 100_000);
}

#[test]
fn slots_of_a_large_commit_are_given_back() {
    let budget = Arc::new(OverlayBudget::new(100_000));
    let store = staged(&budget);
    for key in 0..100_000 {
        put(&store, key);
    }
    store.committed(None);
    {
        let overlay = store.overlay.borrow();
        assert!(overlay.bytes() <= 400_000, "{} bytes are kept", overlay.bytes());
        assert!(clean_bytes(&store) > 0);
    }
    // The rows that stay are found, and slots are used again.
    let before = store.overlay.borrow().bytes();
    let known = |key: u32| {
        let mut overlay = store.overlay.borrow_mut();
        matches!(overlay.get(key.into(), &key.to_be_bytes()), (Known::Value(_), Some(_)))
    };
    let kept: Vec<u32> = (0..100_000).filter(|key| known(*key)).collect();
    assert!(!kept.is_empty());
    for key in &kept {
        put(&store, *key);
    }
    assert_eq!(store.staged_size().0, kept.len());
    assert_eq!(store.overlay.borrow().bytes(), before);
    store.discard();
    assert!(kept.iter().all(|key| !known(*key)));
}

#[test]
fn empty_slots_count_in_the_budget() {
    let budget = Arc::new(OverlayBudget::new(1_000_000));
    let store = staged(&budget);
    for key in 0..1_000 {
        put(&store, key);
    }
    store.discard();
    let overlay = store.overlay.borrow();
    assert_eq!((overlay.staged_bytes(), overlay.clean_bytes()), (0, 0));
    assert!(overlay.empty_bytes() >= 1_000 * size_of::<u32>());
    assert_eq!(overlay.bytes(), overlay.empty_bytes());
}

#[test]
fn a_store_gets_its_share_of_what_another_took() {
    let budget = Arc::new(OverlayBudget::new(100_000));
    let (first, second) = (staged(&budget), staged(&budget));
    for key in 0..5_000 {
        get(&first, key);
    }
    for key in 0..5_000 {
        get(&second, key);
        get(&first, key + 5_000);
    }
    let (first, second) = (clean_bytes(&first), clean_bytes(&second));
    assert!(first + second <= 125_000);
    assert!(first >= 20_000 && second >= 20_000, "{first} {second}");
}

#[test]
fn rows_asked_for_again_stay_longer() {
    let budget = Arc::new(OverlayBudget::new(100_000));
    let store = staged(&budget);
    for key in 0..20_000 {
        get(&store, key);
        get(&store, 7);
    }
    assert!(matches!(store.overlay.borrow_mut().get(7, &7_u32.to_be_bytes()), (Known::Absent, _)));
}
