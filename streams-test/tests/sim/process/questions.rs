//! What is asked of brokers beside the group protocol, and asked again where no answer comes.

use std::collections::BTreeMap;

use streams_core::membership::{Generation, Moment};
use streams_core::names::TopicPartition;
use streams_core::worker::Command;

use super::topics::Unprepared;
use super::{Ends, Input, Life, LookUp, Process, Setting};
use crate::answers::Fate;

/// How long it takes until what was not answered is asked again.
const RETRY_MS: u64 = 1_000;

/// What is asked of brokers, and answered later.
pub(super) enum Question {
    Topics(Generation),
    LookUp(LookUp),
    /// Where changelogs end, for a worker.
    Ends(usize, Vec<TopicPartition>),
    /// To delete what lies before these offsets.
    Purge(BTreeMap<TopicPartition, i64>),
}

/// A question on its way.
pub(super) struct Asked {
    due: u64,
    fate: Fate,
    question: Question,
}

impl Process {
    pub(super) fn ask(&mut self, question: Question, now: Moment) {
        let due = now.as_millis() + self.dice.below(200);
        self.put(question, due);
    }

    /// Puts a question that is answered at this time, if nothing is wrong with it.
    fn put(&mut self, question: Question, due: u64) {
        let (fate, late) = self.setting.answers.drawn();
        self.questions.push(Asked { due: due + late, fate, question });
    }

    /// Brokers that are up answer what was asked a while ago, as things are now.
    pub(super) fn ask_brokers(&mut self, now: u64) {
        if self.questions.is_empty() {
            return;
        }
        let is_reachable = self.setting.kafka.is_reachable();
        let is_over = |one: &Asked| one.due <= now && (is_reachable || one.fate != Fate::Answered);
        let questions = std::mem::take(&mut self.questions);
        let (over, later): (Vec<_>, Vec<_>) = questions.into_iter().partition(is_over);
        self.questions = later;
        for Asked { fate, question, .. } in over {
            let heard = match fate {
                Fate::Answered => self.answer_of(&question, now),
                Fate::Unheard if is_reachable => {
                    let _ = self.answer_of(&question, now);
                    self.given_up(question, now)
                }
                Fate::Lost | Fate::Unheard => self.given_up(question, now),
            };
            self.inputs.extend(heard);
        }
    }

    /// What brokers do about a question, and answer.
    fn answer_of(&mut self, question: &Question, now: u64) -> Option<Input> {
        Some(match question {
            Question::Topics(generation) => Input::TopicsPrepared(*generation, self.prepare()),
            Question::LookUp(look_up) => {
                let ends = self.ends(look_up);
                Input::LookedUp(look_up.clone(), ends)
            }
            Question::Ends(worker, changelogs) => {
                let (at, ends) = (self.wall(now), self.known_ends(changelogs.iter().cloned()));
                Input::EndsFound(*worker, Command::Ends { at, ends })
            }
            Question::Purge(before) => {
                self.delete_before(before);
                return None;
            }
        })
    }

    /// What is made of a question that has no answer.
    fn given_up(&self, question: Question, now: u64) -> Option<Input> {
        match question {
            Question::Topics(generation) => {
                Some(Input::TopicsPrepared(generation, Err(Unprepared::Unanswered)))
            }
            Question::LookUp(look_up) => Some(Input::LookUpFailed(look_up)),
            // The worker asks again after a while.
            Question::Ends(worker, _) => {
                let (at, ends) = (self.wall(now), Ends::new());
                Some(Input::EndsFound(worker, Command::Ends { at, ends }))
            }
            // What could not be deleted is with the next.
            Question::Purge(_) => None,
        }
    }

    /// A question is asked again a little later.
    pub(super) fn ask_later(&mut self, question: Question, now: Moment) {
        self.retries.push((now.as_millis() + RETRY_MS, question));
    }

    pub(super) fn ask_again_if_due(&mut self, now: Moment) {
        let is_due = |(at, _): &(u64, Question)| *at <= now.as_millis();
        let retries = std::mem::take(&mut self.retries);
        let (due, later): (Vec<_>, Vec<_>) = retries.into_iter().partition(is_due);
        self.retries = later;
        for (_, question) in due {
            let is_of_tasks = matches!(question, Question::LookUp(_));
            match self.life {
                // The member cannot be asked for offsets until it is back.
                Life::Outside if is_of_tasks => self.ask_later(question, now),
                Life::Closing | Life::Over if is_of_tasks => {}
                _ => self.ask(question, now),
            }
        }
    }

    /// Where these changelogs end, as far as the brokers tell that lead them.
    pub(super) fn known_ends(&self, changelogs: impl Iterator<Item = TopicPartition>) -> Ends {
        let Setting { kafka, answers, .. } = &self.setting;
        if answers.hide_ends() {
            return Ends::new();
        }
        let led = changelogs.filter(|changelog| kafka.leader_answers(changelog));
        led.filter_map(|changelog| {
            let (_, end) = kafka.offsets(&changelog)?;
            Some((changelog, end))
        })
        .collect()
    }

    /// From time to time has processed records of the repartition topic deleted, by one request after
    /// the other.
    pub(super) fn purge_sometimes(&mut self, now: u64) {
        let is_asked = self.questions.iter().any(|one| matches!(one.question, Question::Purge(_)));
        let is_due = !is_asked && !self.purge.is_empty() && self.setting.kafka.is_reachable();
        if is_due && self.dice.one_in(20) {
            let before = std::mem::take(&mut self.purge);
            self.put(Question::Purge(before), now);
            self.ask_brokers(now);
        }
    }

    fn delete_before(&self, offsets: &BTreeMap<TopicPartition, i64>) {
        let Setting { app, kafka, .. } = &self.setting;
        let repartition = app.repartition();
        for (partition, offset) in offsets {
            if partition.topic == repartition && kafka.leader_answers(partition) {
                kafka.delete_before(partition, *offset).unwrap();
            }
        }
    }
}
