//! What takes long to give back is given back by another thread: freeing the rows of a large store
//! one by one would hold up the worker's other tasks. When many tasks leave at once, it has more to do
//! than all workers, and so it rests in between and runs when these leave it time.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

type Rubbish = Box<dyn Send>;

/// The thread of the process that drops things, once there was something. It waits for more as long
/// as the process lives; none where it could not be started.
static COLLECTOR: OnceLock<Option<SyncSender<Rubbish>>> = OnceLock::new();

const THREAD_NAME: &str = "millstream-rows";
/// So much may wait for it. Where the workers leave it no time for long, they have to help.
const WAITING_MAX: usize = 256;
/// Kernels give a thread of this value a hundredth of what one of the usual value gets, but let it run
/// on for some milliseconds where it runs.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;
/// It rests for so many times as long as it has worked.
const REST: u32 = 4;

/// Drops this beside the thread that calls.
pub(super) fn drop_beside(rubbish: impl Send + 'static) {
    if let Some(collector) = COLLECTOR.get_or_init(start) {
        hand_over(collector, Box::new(rubbish));
    }
}

/// What is not taken is dropped here.
fn hand_over(collector: &SyncSender<Rubbish>, rubbish: Rubbish) {
    if let Err(TrySendError::Full(left) | TrySendError::Disconnected(left)) =
        collector.try_send(rubbish)
    {
        drop(left);
    }
}

fn start() -> Option<SyncSender<Rubbish>> {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned());
    thread.spawn(move || collect(receiver)).ok().map(|_| sender)
}

fn collect(receiver: Receiver<Rubbish>) {
    // On Linux this is the thread's own; elsewhere it would be that of the process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "rows are given back as urgently as records are processed");
    }
    receiver.into_iter().for_each(drop_and_rest);
}

#[expect(clippy::disallowed_methods, reason = "it waits for time to pass, which is its own alone")]
fn drop_and_rest(rubbish: Rubbish) {
    let began = Instant::now();
    drop(rubbish);
    std::thread::sleep(began.elapsed() * REST);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Tells the name of the thread that drops it.
    struct Telling(Sender<Option<String>>);

    impl Drop for Telling {
        fn drop(&mut self) {
            let name = std::thread::current().name().map(str::to_owned);
            self.0.send(name).unwrap();
        }
    }

    #[test]
    fn things_are_dropped_by_a_thread_of_their_own() {
        let (tell, told) = channel();
        for _ in 0..3 {
            drop_beside(Telling(tell.clone()));
        }
        drop(tell);
        let names: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!(names, [THREAD_NAME; 3]);
    }

    #[test]
    fn what_does_not_fit_is_dropped_at_once() {
        let (tell, told) = channel();
        let (sender, waiting) = sync_channel(1);
        (0..3).for_each(|_| hand_over(&sender, Box::new(Telling(tell.clone()))));
        let here = std::thread::current().name().map(str::to_owned);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [here.clone(), here]);
        drop(waiting);
        assert_eq!(told.try_iter().count(), 1);
    }

    /// Only the thread that gives back stands back.
    #[cfg(target_os = "linux")]
    #[test]
    fn it_stands_back_behind_the_others() {
        struct Asking(Sender<i32>);
        impl Drop for Asking {
            fn drop(&mut self) {
                self.0.send(rustix::process::getpriority_process(None).unwrap()).unwrap();
            }
        }
        let (tell, told) = channel();
        let usual = rustix::process::getpriority_process(None).unwrap();
        drop_beside(Asking(tell));
        assert_eq!(told.recv().unwrap(), (usual + NICE).min(19));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), usual);
    }
}
