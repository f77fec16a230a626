//! Whose position a store keeps, and of when.

use streams_core::membership::TopicId;
use streams_core::store::{ChangelogTopic, StoreIdentity, TaskStores};
use streams_core::time::Timestamp;

use crate::Stores;
use crate::testing::{Fixture, ScratchDirectory};

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn changelog_topic(cluster: &str, topic: u8) -> ChangelogTopic {
    let (cluster_id, topic_id) = (Some(cluster.into()), Some(TopicId([topic; 16])));
    ChangelogTopic { cluster_id, topic_id, ..ChangelogTopic::default() }
}

#[test]
fn a_store_keeps_whose_position_it_has_and_of_when() {
    let scratch = ScratchDirectory::new("identity");
    let backend = scratch.backend();
    let spec = |name: &str| Stores::key_value::<String, i64>(name).build();
    let fixture = Fixture::new(vec![spec("s"), spec("t")], 0);
    let mut stores = fixture.open(&backend);
    assert_eq!(stores.identity(0), StoreIdentity::default());
    stores.belongs_to(0, &changelog_topic("c", 1));
    stores.commit(&[(0, 5), (1, 5)]).unwrap();
    drop(stores);
    let mut stores = fixture.open(&backend);
    let kept = stores.identity(0);
    assert_eq!(kept.cluster_id.as_deref(), Some("c"));
    assert_eq!((kept.topic_id, kept.current_at), (Some(TopicId([1; 16])), None));
    assert_eq!(stores.identity(1), StoreIdentity::default());
    stores.set_current_at(0, at(70)).unwrap();
    drop(stores);
    let mut stores = fixture.open(&backend);
    assert_eq!(stores.identity(0).current_at, Some(at(70)));
    assert_eq!((stores.position(0), stores.identity(1).current_at), (Some(5), None));
    stores.commit(&[(0, 6)]).unwrap();
    stores.restored_up_to(0, 7).unwrap();
    drop(stores);
    let mut stores = fixture.open(&backend);
    assert_eq!((stores.position(0), stores.identity(0).current_at), (Some(7), Some(at(70))));
    stores.wipe(0).unwrap();
    drop(stores);
    let stores = fixture.open(&backend);
    let emptied = stores.identity(0);
    assert_eq!(emptied.cluster_id.as_deref(), Some("c"), "it is of the same topic still");
    assert_eq!((stores.position(0), emptied.current_at), (None, None));
}

#[test]
fn a_store_of_before_there_were_times_is_as_old_as_the_last_commit_of_its_task() {
    let scratch = ScratchDirectory::new("older");
    let backend = scratch.backend();
    let fixture = Fixture::new(vec![Stores::key_value::<String, i64>("s").build()], 0);
    for (committed_at, position) in [(None, 4), (Some(90), 5)] {
        let mut stores = backend.open_task(fixture.request()).unwrap();
        stores.commit(&[(0, position)]).unwrap();
        stores.database().unwrap().make_older(0, committed_at);
        drop(stores);
        let stores = fixture.open(&backend);
        assert_eq!(stores.position(0), Some(position));
        let expected = committed_at.map(at);
        assert_eq!(stores.identity(0).current_at, expected);
    }
}
