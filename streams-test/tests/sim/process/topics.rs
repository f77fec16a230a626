//! What the leader does about topics before it says which tasks there are.

use streams_core::assign::{TaskInputs, TaskState};
use streams_core::membership::{Generation, Moment};
use streams_core::names::TopicName;
use streams_core::topology::{InternalTopicKind, PartitionCounts};

use super::{Ends, Process, Question, Setting};
use crate::app::{App, STORES};
use crate::defects::Defect;

/// Why topics are not ready.
pub(super) enum Unprepared {
    /// Brokers did not answer.
    Unanswered,
    /// A changelog cannot be used.
    Refused(Refused),
}

/// A changelog that cannot be used.
pub(super) struct Refused {
    part: u32,
    topic: TopicName,
    expected: i32,
    actual: i32,
}

impl Process {
    pub(super) fn topics_prepared(
        &mut self,
        generation: Generation,
        prepared: Result<Ends, Unprepared>,
        now: Moment,
    ) {
        let ends = match prepared {
            Ok(ends) => ends,
            Err(Unprepared::Unanswered) => {
                return self.ask_later(Question::Topics(generation), now);
            }
            Err(Unprepared::Refused(Refused { part, topic, expected, actual })) => {
                let text = format!("refuses {topic} of {actual} partitions, {expected} are needed");
                self.said.push(text);
                self.setting.refused.lock().unwrap().insert(part);
                return self.fail(now);
            }
        };
        let app = &self.setting.app;
        let tasks = App::tasks().map(|task| {
            let end = ends.get(&app.changelog(task)).copied();
            let state = TaskState::Logged { end };
            (task, TaskInputs { partitions: vec![app.input(task)], state })
        });
        // A rebalance may have overtaken it.
        let _ = self.member.provide_tasks(generation, &tasks.collect(), now);
    }

    /// Makes the changelogs that are missing. Where all of them end, as far as brokers tell.
    pub(super) fn prepare(&self) -> Result<Ends, Unprepared> {
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
                    let refused = Refused { part, topic, expected, actual };
                    return Err(Unprepared::Refused(refused));
                }
            }
        }
        Ok(self.known_ends(App::tasks().map(|task| app.changelog(task))))
    }
}
