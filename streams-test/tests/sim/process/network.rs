//! The member's connections and questions.

use streams_core::membership::{Action, Moment};
use streams_core::worker::Command;

use super::{Input, Life, Process, Question};

impl Process {
    /// What the group thread does until nothing is left to be done.
    pub(super) fn work_group(&mut self, now: u64) {
        let moment = Moment::from_millis(now);
        self.hear_workers(now);
        self.watch_workers(moment);
        self.follow_deadlines(moment);
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
        self.purge_sometimes();
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

    pub(super) fn ask(&mut self, question: Question, now: Moment) {
        let due = now.as_millis() + self.dice.below(200);
        self.questions.push((due, question));
    }

    /// Brokers answer what was asked a while ago, as things are now.
    fn ask_brokers(&mut self, now: u64) {
        if !self.setting.kafka.is_reachable() {
            return;
        }
        let questions = std::mem::take(&mut self.questions);
        let (due, later): (Vec<_>, Vec<_>) = questions.into_iter().partition(|(at, _)| *at <= now);
        self.questions = later;
        for (_, question) in due {
            let answer = match question {
                Question::Topics(generation) => Input::TopicsPrepared(generation),
                Question::LookUp(look_up) => {
                    let ends = self.ends(&look_up);
                    Input::LookedUp(look_up, ends)
                }
                Question::Ends(worker, changelogs) => {
                    let kafka = &self.setting.kafka;
                    let ends = changelogs.into_iter().filter(|at| kafka.reaches_leader(at));
                    let ends = ends.filter_map(|at| kafka.offsets(&at).map(|(_, end)| (at, end)));
                    let ends = ends.collect();
                    let at = self.wall(now);
                    Input::EndsFound(worker, Command::Ends { at, ends })
                }
            };
            self.inputs.push_back(answer);
        }
    }
}
