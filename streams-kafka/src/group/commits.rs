//! Commits of workers, under the right that the last assignment gave.

use streams_core::membership::{CallId, CallRefused, CommittedOffset, OffsetsError};
use streams_core::names::TopicPartition;
use streams_core::task::OffsetToCommit;
use streams_core::worker::{Command, CommitFailure, CommitId};

use super::Group;
use crate::worker_thread::Told;

/// A commit that is out: whose it is, and what of it may be deleted when it succeeds.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) worker: usize,
    id: CommitId,
    processed: Vec<(TopicPartition, i64)>,
}

impl Group {
    /// A request from before the tasks were lost is refused, whatever the group says by now.
    pub(super) fn commit(
        &mut self,
        worker: usize,
        losses: u64,
        id: CommitId,
        offsets: Vec<OffsetToCommit>,
    ) {
        let token = self.token.as_ref().filter(|_| losses == self.losses);
        let Some(token) = token else {
            return self.answer(worker, id, Err(CommitFailure::Fenced));
        };
        let offsets = self.gone.without_stale(offsets);
        let processed = self.purge.of_these(&offsets);
        let offsets = offsets.into_iter().map(|offset| {
            let OffsetToCommit { partition, offset, leader_epoch, metadata } = offset;
            (partition, CommittedOffset { offset, leader_epoch, metadata })
        });
        let (offsets, now) = (offsets.collect(), self.now());
        match self.membership.commit(token, offsets, now) {
            Ok(call) => {
                self.commits.insert(call, Commit { worker, id, processed });
            }
            Err(CallRefused::Gone) => {
                let why = "the member has left the group".to_owned();
                self.answer(worker, id, Err(CommitFailure::Fatal(why)));
            }
            Err(CallRefused::StaleToken | CallRefused::Rebalancing) => {
                self.answer(worker, id, Err(CommitFailure::Rebalancing));
            }
            Err(refused) => {
                let why = CommitFailure::Retriable(refused.to_string());
                self.answer(worker, id, Err(why));
            }
        }
    }

    pub(super) fn answer_commit(&mut self, call: CallId, result: Result<(), OffsetsError>) {
        let Some(Commit { worker, id, processed }) = self.commits.remove(&call) else { return };
        if result.is_ok() {
            self.purge.committed(processed);
        }
        let result = result.map_err(|error| match error {
            OffsetsError::Fenced => CommitFailure::Fenced,
            OffsetsError::StaleToken | OffsetsError::Rebalancing => CommitFailure::Rebalancing,
            OffsetsError::TimedOut => CommitFailure::Retriable(error.to_string()),
            other => CommitFailure::Fatal(other.to_string()),
        });
        self.answer(worker, id, result);
    }

    fn answer(&self, worker: usize, id: CommitId, result: Result<(), CommitFailure>) {
        if let Some(worker) = self.parts.workers.get(&worker) {
            worker.tell(Told { losses: self.losses, command: Command::Committed(id, result) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::error::StreamsError;
    use crate::group::testing::Idle;
    use crate::worker_thread::WorkerHandle;

    impl Group {
        /// A commit of a worker that the coordinator has not answered yet.
        fn commit_under_way(&mut self, worker: usize, id: CommitId) -> CallId {
            let now = self.now();
            // As good a number as that of a commit, which only a member can make.
            let call = self.membership.fetch_offsets(BTreeSet::new(), now).unwrap();
            self.commits.insert(call, Commit { worker, id, processed: Vec::new() });
            call
        }

        /// What is told to the worker of this number from now on.
        fn listen_to(&mut self, worker: usize) -> Receiver<Told> {
            let (listener, heard) = WorkerHandle::to_listener();
            self.parts.workers.insert(worker, listener);
            heard
        }
    }

    /// The worker in its place has a commit of its own under the same number, which it must not take
    /// for done.
    #[test]
    fn what_a_worker_that_died_has_committed_is_not_told_to_the_one_in_its_place() {
        let mut idle = Idle::new("commits");
        let group = &mut idle.group;
        let calls = [0, 1].map(|worker| group.commit_under_way(worker, CommitId(1)));
        group.worker_ended(0, StreamsError::Panicked("it died".to_owned()));
        let heard = [0, 1].map(|worker| group.listen_to(worker));
        calls.into_iter().for_each(|call| group.answer_commit(call, Ok(())));
        let heard = heard.map(|told| told.try_iter().map(|told| told.command).collect::<Vec<_>>());
        assert!(heard[0].is_empty(), "{heard:?}");
        assert!(matches!(heard[1][..], [Command::Committed(CommitId(1), Ok(()))]), "{heard:?}");
    }

    /// A join lasts as long as the slowest member, and a task has no trouble of its own with it.
    #[test]
    fn a_rebalance_is_not_told_as_a_trouble() {
        let mut idle = Idle::new("commits-rebalance");
        let group = &mut idle.group;
        let heard = group.listen_to(0);
        for error in [OffsetsError::Rebalancing, OffsetsError::StaleToken, OffsetsError::TimedOut] {
            let call = group.commit_under_way(0, CommitId(1));
            group.answer_commit(call, Err(error));
        }
        let told = heard.try_iter().map(|told| match told.command {
            Command::Committed(_, Err(failure)) => failure,
            other => panic!("{other:?}"),
        });
        let [rebalancing, stale, lost] = <[_; 3]>::try_from(told.collect::<Vec<_>>()).unwrap();
        assert_eq!([rebalancing, stale], [CommitFailure::Rebalancing, CommitFailure::Rebalancing]);
        assert!(matches!(lost, CommitFailure::Retriable(_)), "{lost}");
    }
}
