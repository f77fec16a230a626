//! The addresses of a broker's host, each in its turn.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use streams_core::membership::Address;
use tokio::net::{TcpStream, lookup_host};

/// Addresses that were found for a broker's host and not tried yet. An attempt that is given up leaves
/// the rest of them to the next one, so that an address without an answer hides no other
/// (`client.dns.lookup=use_all_dns_ips`).
#[derive(Debug, Clone, Default)]
pub(super) struct Untried(Arc<Mutex<BTreeMap<Address, VecDeque<SocketAddr>>>>);

impl Untried {
    /// Connects to the first address that takes a connection.
    pub(super) async fn connect(&self, broker: &Address) -> io::Result<TcpStream> {
        if !self.all().contains_key(broker) {
            let found = lookup_host((broker.host.as_str(), broker.port)).await?.collect();
            self.all().insert(broker.clone(), found);
        }
        let mut ended = Err(io::Error::new(io::ErrorKind::NotFound, "its host has no address"));
        while ended.is_err()
            && let Some(address) = self.next(broker)
        {
            ended = TcpStream::connect(address).await;
        }
        ended
    }

    /// The broker has answered: next time its host is looked up anew.
    pub(super) fn answered(&self, broker: &Address) {
        self.all().remove(broker);
    }

    fn next(&self, broker: &Address) -> Option<SocketAddr> {
        let mut all = self.all();
        let untried = all.get_mut(broker)?;
        let next = untried.pop_front();
        if untried.is_empty() {
            all.remove(broker);
        }
        next
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Address, VecDeque<SocketAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::net::TcpSocket;

    use super::*;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Nobody listens there.
    fn refusing() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn addresses_take_turns_until_one_answers() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ((_first, first), (_second, second)) = (listener(), listener());
        let (_refusing, refuses) = refusing();
        let broker = Address::new("127.0.0.1", first.port());
        let untried = Untried::default();
        let found = [first, refuses, second];
        untried.all().insert(broker.clone(), found.into());
        let connect = || runtime.block_on(untried.connect(&broker)).unwrap().peer_addr().unwrap();
        // The first takes connections and says nothing.
        assert_eq!(connect(), first);
        assert_eq!(connect(), second);
        assert!(untried.all().is_empty());
        // All were tried, and the host is looked up again.
        assert_eq!(connect(), first);
        untried.all().insert(broker.clone(), found.into());
        untried.answered(&broker);
        assert_eq!(connect(), first);
    }

    #[test]
    fn a_host_of_which_no_address_answers_is_looked_up_the_next_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_refusing, address) = refusing();
        let (broker, untried) = (Address::new("127.0.0.1", address.port()), Untried::default());
        let refused = runtime.block_on(untried.connect(&broker)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(untried.all().is_empty());
    }
}
