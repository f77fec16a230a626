//! The member's connections.

use streams_core::membership::{Action, Moment};

use super::{Life, Process};

impl Process {
    /// What the group thread does until nothing is left to be done.
    pub(super) fn work_group(&mut self, now: u64) {
        let moment = Moment::from_millis(now);
        self.hear_workers(now);
        self.watch_workers(moment);
        self.follow_deadlines(moment);
        self.ask_again_if_due(moment);
        loop {
            while let Some(action) = self.member.poll(moment) {
                self.act(action, moment);
                self.follow_roster(moment);
            }
            let heard = self.hear_connections(moment);
            self.ask_brokers(now);
            let input = self.inputs.pop_front();
            let any = heard || input.is_some();
            if let Some(input) = input {
                self.handle(input, moment);
                self.follow_roster(moment);
            }
            self.tell_states(moment);
            if !any || self.life == Life::Over {
                break;
            }
        }
        self.purge_sometimes(now);
    }

    fn act(&mut self, action: Action, now: Moment) {
        match action {
            // Neither a connection nor a refusal: it gives up by itself.
            Action::Connect { ref address, .. }
                if !self.setting.kafka.reaches_port(address.port) => {}
            Action::Connect { connection, address } => {
                match self.setting.kafka.connect_to(address.port) {
                    Some(open) => {
                        self.connections.insert(connection, open);
                        self.member.on_connected(connection, now);
                    }
                    None => self.member.on_disconnected(connection, "refused", now),
                }
            }
            Action::Send { connection, bytes } => {
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.receive(&bytes, now).unwrap();
                }
            }
            Action::Disconnect { connection } => {
                self.connections.remove(&connection);
            }
            Action::Authenticate { .. } => self.fault = Some("SASL was asked for".to_owned()),
            Action::Event(event) if self.life != Life::Over => self.on_member(event, now),
            Action::Event(_) => {}
        }
    }

    /// Whether there was anything to hear.
    fn hear_connections(&mut self, now: Moment) -> bool {
        let heard = self.connections.iter_mut().map(|(id, open)| {
            let output = open.take_output();
            (*id, output, open.is_closed())
        });
        let heard: Vec<_> =
            heard.filter(|(_, bytes, closed)| *closed || !bytes.is_empty()).collect();
        for (id, bytes, is_closed) in &heard {
            if !bytes.is_empty() {
                self.member.on_bytes(*id, bytes, now);
            }
            if *is_closed && self.connections.remove(id).is_some() {
                self.member.on_disconnected(*id, "closed", now);
            }
        }
        !heard.is_empty()
    }
}
