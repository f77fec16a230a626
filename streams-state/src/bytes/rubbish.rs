//! What takes long to give back is given back by another thread: freeing the rows of a large store
//! one by one would hold up the worker's other tasks.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

type Rubbish = Box<dyn Send>;

/// The thread of the process that drops things, once there was something. It waits for more as long
/// as the process lives; none where it could not be started.
static COLLECTOR: OnceLock<Option<Sender<Rubbish>>> = OnceLock::new();

const THREAD_NAME: &str = "millstream-rows";

/// Drops this beside the thread that calls.
pub(super) fn drop_beside(rubbish: impl Send + 'static) {
    if let Some(collector) = COLLECTOR.get_or_init(start) {
        // What is not taken is dropped here.
        drop(collector.send(Box::new(rubbish)));
    }
}

fn start() -> Option<Sender<Rubbish>> {
    let (sender, receiver) = channel::<Rubbish>();
    let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned());
    let started = thread.spawn(move || receiver.into_iter().for_each(drop));
    started.ok().map(|_| sender)
}

#[cfg(test)]
mod tests {
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
}
