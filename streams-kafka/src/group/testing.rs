//! A group thread's state for tests, which nobody drives and which knows no broker.

use std::path::PathBuf;
use std::sync::Arc;

use streams_core::config::{Optimization, StreamsConfig};
use streams_core::handler::Handlers;
use streams_core::topology::Topology;
use streams_dsl::{Consumed, Materialized, StreamsBuilder};

use super::Group;
use crate::app::shared::{Listeners, Shared};
use crate::app::uncaught::UncaughtErrorResponse;
use crate::app::{Parts, assemble};
use crate::error::StreamsError;

/// Of an application with two workers that replaces what fails.
pub(super) struct Idle {
    pub(super) group: Group,
    state: PathBuf,
}

impl Idle {
    pub(super) fn new(name: &str) -> Self {
        let builder = StreamsBuilder::new();
        builder.stream::<String, String>("in").to("out");
        Self::of(name, builder.build().unwrap())
    }

    /// With a changelog.
    pub(super) fn counting(name: &str) -> Self {
        let builder = StreamsBuilder::new();
        builder.stream::<String, String>("in").group_by_key().count().to_stream().to("out");
        Self::of(name, builder.build().unwrap())
    }

    /// With an input that serves as changelog.
    pub(super) fn reusing(name: &str) -> Self {
        let builder = StreamsBuilder::new();
        let stored = Materialized::<String, String>::named("latest");
        let _ = builder.table_with("in", Consumed::new(), stored);
        let topology = builder.build_with([Optimization::ReuseKTableSourceTopics]);
        Self::of(name, topology.unwrap())
    }

    fn of(name: &str, topology: Topology) -> Self {
        let state = format!("millstream-{name}-{}", std::process::id());
        let state = std::env::temp_dir().join(state);
        let config = StreamsConfig::builder().application_id("app").set("num.stream.threads", 2);
        let config =
            config.bootstrap_servers("127.0.0.1:1").set("state.dir", state.display().to_string());
        let parts = Parts {
            topology,
            config: config.build().unwrap(),
            handlers: Handlers::default(),
            token_provider: None,
        };
        let uncaught = Arc::new(|_: &StreamsError| UncaughtErrorResponse::Replace);
        let listeners = Listeners { uncaught, ..Listeners::default() };
        let assembled = assemble(&parts, &Arc::new(Shared::new(listeners, 2))).unwrap();
        Self { group: Group::new(assembled.group, assembled.channel.0), state }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // What is left of it is in the directory for such things.
        let _ = std::fs::remove_dir_all(&self.state);
    }
}
