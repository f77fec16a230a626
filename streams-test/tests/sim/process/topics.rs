//! What the leader does about topics before it says which tasks there are.

use streams_core::assign::{TaskInputs, TaskState};
use streams_core::membership::{Generation, Moment};
use streams_core::names::TopicName;
use streams_core::topology::{InternalTopicKind, PartitionCounts};

use super::{Process, Setting};
use crate::app::{App, STORES};
use crate::defects::Defect;

/// A changelog that cannot be used.
struct Refused {
    part: u32,
    topic: TopicName,
    expected: i32,
    actual: i32,
}

impl Process {
    pub(super) fn topics_prepared(&mut self, generation: Generation, now: Moment) {
        if let Err(Refused { part, topic, expected, actual }) = self.prepare() {
            let text = format!("refuses {topic} of {actual} partitions, {expected} are needed");
            self.said.push(text);
            self.setting.refused.lock().unwrap().insert(part);
            return self.fail(now);
        }
        let Setting { app, kafka, .. } = &self.setting;
        let tasks = App::tasks().map(|task| {
            let end = kafka.offsets(&app.changelog(task)).map(|(_, end)| end);
            let state = TaskState::Logged { end };
            (task, TaskInputs { partitions: vec![app.input(task)], state })
        });
        // A rebalance may have overtaken it.
        let _ = self.member.provide_tasks(generation, &tasks.collect(), now);
    }

    /// Makes the changelogs that are missing.
    fn prepare(&self) -> Result<(), Refused> {
        let Setting { app, kafka, .. } = &self.setting;
        let counts = PartitionCounts::derive(&app.topology, |topic| kafka.partitions(topic));
        let counts = counts.unwrap();
        for internal in app.topology.internal_topics(&app.names) {
            let InternalTopicKind::Changelog(store) = &internal.kind else { continue };
            let expected = counts.of_changelog(&app.topology, store);
            let topic = internal.name.clone();
            match kafka.partitions(&topic) {
                None => kafka.create_topic(topic, expected, [].into()).unwrap(),
                Some(actual) if actual == expected => {}
                Some(_) if self.is(Defect::OtherPartitionsAccepted) => {}
                Some(actual) => {
                    let part = (0..).zip(STORES).find(|(_, name)| *name == store.as_str());
                    let part = part.map_or(0, |(part, _)| part);
                    return Err(Refused { part, topic, expected, actual });
                }
            }
        }
        Ok(())
    }
}
