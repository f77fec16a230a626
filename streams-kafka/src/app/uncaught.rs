//! What becomes of the application when something fails that no other handler settled: Kafka's
//! `StreamsUncaughtExceptionHandler` (KIP-671).

use crate::error::StreamsError;

/// What a handler of uncaught errors decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncaughtErrorResponse {
    /// The failed task is made anew and goes on from its last commit: Kafka's `REPLACE_THREAD`. Its
    /// processors are made by their suppliers again, its stores stay open. The others run on all the
    /// while. What the task did since its last commit is done again, so that an error that comes with
    /// the same record comes again, after a wait that grows from 100 ms to 10 s.
    ///
    /// DIFFERENCE(replace-task): Kafka replaces the thread with all of its tasks, and the group
    /// rebalances.
    ///
    /// Where the producer of a worker has failed, all tasks of that worker are, with another one.
    ///
    /// An error that is not one of a task, as a missing source topic, cannot be helped in this way
    /// and shuts down the client.
    Replace,
    /// This process commits the tasks that have not failed, closes and ends in
    /// [`State::Error`](crate::State::Error); others take over the work: Kafka's `SHUTDOWN_CLIENT`.
    ShutDownClient,
    /// All processes of the application do so: Kafka's `SHUTDOWN_APPLICATION`. They are told with the
    /// next assignment of the group; as long as a member of user data version 2 or older is in it,
    /// nobody but this process is.
    ShutDownApplication,
}

/// Decides about errors that would end the application. Any function of the error is one.
///
/// It is called on the thread where the error was found, and must not block. If it panics itself,
/// the client is shut down.
pub trait UncaughtErrorHandler: Send + Sync + 'static {
    /// What shall be done.
    fn response(&self, error: &StreamsError) -> UncaughtErrorResponse;
}

impl<F: Fn(&StreamsError) -> UncaughtErrorResponse + Send + Sync + 'static> UncaughtErrorHandler
    for F
{
    fn response(&self, error: &StreamsError) -> UncaughtErrorResponse {
        self(error)
    }
}

/// Shuts down the client, whatever happened: Kafka's default.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShutDownOnError;

impl UncaughtErrorHandler for ShutDownOnError {
    fn response(&self, _: &StreamsError) -> UncaughtErrorResponse {
        UncaughtErrorResponse::ShutDownClient
    }
}
