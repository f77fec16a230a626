//! A network that can be made worse: connections to a broker lead through it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::wait::let_live;

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    FromBroker,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// How much later they come, each way.
    delay: Duration,
    /// They do not come at all this way.
    cut: Option<Way>,
}

/// Takes connections at a port, and hands what comes on them to another.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    port: u16,
    weather: Arc<Mutex<Weather>>,
    /// Both ends of each connection.
    open: Arc<Mutex<Vec<[TcpStream; 2]>>>,
}

const READ_BYTES: usize = 64 << 10;

impl Proxy {
    /// At a free port.
    pub(crate) fn to(broker: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, weather: Arc::default(), open: Arc::default() };
        let (taking, target) = (proxy.clone(), SocketAddr::from(([127, 0, 0, 1], broker)));
        spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = TcpStream::connect(target) {
                    taking.join(&client, &server);
                }
            }
        });
        proxy
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    fn join(&self, client: &TcpStream, server: &TcpStream) {
        let pair = || [client, server].map(|end| end.try_clone().unwrap());
        pair().iter().for_each(|end| end.set_nodelay(true).unwrap());
        self.open.lock().unwrap().push(pair());
        let [from, to] = pair();
        self.pump(from, to, Way::ToBroker);
        let [to, from] = pair();
        self.pump(from, to, Way::FromBroker);
    }

    /// Reads and writes in threads of their own, so that what is delayed does not hold up the rest.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, way: Way) {
        let (bytes, due): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
        let weather = Arc::clone(&self.weather);
        spawn(move || {
            let mut buffer = vec![0; READ_BYTES];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let Weather { delay, cut } = *weather.lock().unwrap();
                let chunk = buffer[..read].to_vec();
                if cut != Some(way) && bytes.send((Instant::now() + delay, chunk)).is_err() {
                    break;
                }
            }
        });
        spawn(move || {
            for (at, chunk) in due {
                let_live(at.saturating_duration_since(Instant::now()));
                if to.write_all(&chunk).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }

    /// From now on everything comes so much later, each way.
    pub(crate) fn delay(&self, delay: Duration) {
        self.weather.lock().unwrap().delay = delay;
    }

    /// From now on nothing comes this way, though connections stand.
    pub(crate) fn cut(&self, way: Way) {
        self.weather.lock().unwrap().cut = Some(way);
    }

    /// All is well again for new connections; those that missed something end.
    pub(crate) fn mend(&self) {
        *self.weather.lock().unwrap() = Weather::default();
        self.reset(|_| true);
    }

    /// Ends the connections whose numbers are chosen.
    pub(crate) fn reset(&self, mut is_chosen: impl FnMut(usize) -> bool) {
        let mut open = self.open.lock().unwrap();
        let mut number = 0;
        open.retain(|ends| {
            number += 1;
            let stays = !is_chosen(number - 1);
            if !stays {
                ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
            }
            stays
        });
    }
}

/// Ends with the process.
fn spawn(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("network".to_owned()).spawn(run).unwrap();
}
