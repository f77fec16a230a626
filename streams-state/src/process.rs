//! The global stores of a process: one thread fills them, all others read them.
//!
//! DIFFERENCE(global-scans): a scan of a global store gives each row as it is when the scan comes to
//! its part of the store; in Kafka all rows are those of its beginning.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use streams_core::error::StoreError;
use streams_core::names::{StoreName, TopicName, TopicPartition};
use streams_core::processor::TaskContext;
use streams_core::record::RawRecord;
use streams_core::store::{
    Access, ChangelogTopic, GlobalStores, OpenStores, SharedStores, StoreIdentity, StoreSpec,
    StoresOf, TaskStores,
};
use streams_core::time::Timestamp;

use crate::bytes::InputPositions;
use crate::layer::{LayerParts, Layers, Reach, Retention, Versions};
use crate::staging::{Commits, CommitsSeen, OverlayBudget, Staged};
use crate::task::{SharedStore, StoresOfTask, factory};

/// The input partitions of global stores, each with the number of the store that it fills.
pub(crate) struct Inputs(Vec<(usize, TopicPartition)>);

impl Inputs {
    pub(crate) fn of(request: &OpenStores) -> Self {
        match &request.owner {
            StoresOf::Task => Self(Vec::new()),
            StoresOf::Process { filled_by_input } => {
                let partitions = request.context.partitions().iter().cloned();
                Self(filled_by_input.iter().copied().zip(partitions).collect())
            }
        }
    }

    /// The positions of a store that holds nothing yet.
    fn none(&self, store: usize) -> Option<InputPositions> {
        let of_store = self.0.iter().filter(|(filled, _)| *filled == store);
        let topic = of_store.clone().map(|(_, partition)| partition.topic.clone()).next()?;
        Some(InputPositions { topic, next: vec![None; of_store.count()] })
    }
}

/// The global stores, on the thread that fills them.
pub(crate) struct StoresOfProcess {
    stores: StoresOfTask,
    inputs: Inputs,
    /// By store; none for one that has no input.
    positions: Vec<Option<InputPositions>>,
    commits: Commits,
    budget: Arc<OverlayBudget>,
}

impl StoresOfProcess {
    /// Takes the positions that were written. A store that was filled from another topic, or from
    /// one with more partitions, starts empty.
    pub(crate) fn new(
        mut stores: StoresOfTask,
        inputs: Inputs,
        budget: &Arc<OverlayBudget>,
    ) -> Result<Self, StoreError> {
        let mut positions = Vec::new();
        for store in 0..stores.len() {
            let none = inputs.none(store);
            let known = stores.input_positions(store)?;
            positions.push(match (none, known) {
                (Some(none), Some(mut known))
                    if known.topic == none.topic && known.next.len() <= none.next.len() =>
                {
                    known.next.resize(none.next.len(), None);
                    Some(known)
                }
                (none, Some(known)) => {
                    tracing::warn!(topic = %known.topic, "the topic of a global store is another one; the store is filled anew");
                    stores.wipe(store)?;
                    none
                }
                (none, None) => none,
            });
        }
        let (commits, budget) = (Commits::default(), Arc::clone(budget));
        Ok(Self { stores, inputs, positions, commits, budget })
    }

    /// The place of an input's position.
    fn place(&self, input: usize) -> Option<(usize, usize)> {
        let (store, partition) = self.inputs.0.get(input)?;
        Some((*store, usize::try_from(partition.partition).ok()?))
    }
}

impl TaskStores for StoresOfProcess {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.stores.handle(store)
    }

    fn read_only_handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        self.stores.read_only_handle(store)
    }

    fn handle_with_headers(&self, store: &StoreName, access: Access) -> Option<Box<dyn Any>> {
        self.stores.handle_with_headers(store, access)
    }

    fn position(&self, input: usize) -> Option<i64> {
        let (store, partition) = self.place(input)?;
        *self.positions.get(store)?.as_ref()?.next.get(partition)?
    }

    fn restore(&mut self, store: usize, record: &RawRecord<'_>) -> Result<(), StoreError> {
        self.stores.restore(store, record)
    }

    fn restored_up_to(&mut self, store: usize, next_offset: i64) -> Result<(), StoreError> {
        self.stores.restored_up_to(store, next_offset)
    }

    fn wipe(&mut self, store: usize) -> Result<(), StoreError> {
        self.stores.wipe(store)?;
        if let Some(positions) = self.positions.get_mut(store) {
            *positions = self.inputs.none(store);
        }
        self.commits.count();
        Ok(())
    }

    fn staged_bytes(&self) -> usize {
        self.stores.staged_bytes()
    }

    fn commit(&mut self, positions: &[(usize, i64)]) -> Result<(), StoreError> {
        let mut next = self.positions.clone();
        let mut moved = vec![false; next.len()];
        for (input, offset) in positions {
            let Some((store, partition)) = self.place(*input) else { continue };
            let place = next.get_mut(store).and_then(Option::as_mut);
            if let Some(place) = place.and_then(|place| place.next.get_mut(partition)) {
                *place = Some(*offset);
                moved[store] = true;
            }
        }
        let stores = next.iter().enumerate().filter(|(store, _)| moved[*store]);
        let written = stores.filter_map(|(store, positions)| Some((store, positions.as_ref()?)));
        self.stores.commit_inputs(&written.collect::<Vec<_>>())?;
        self.positions = next;
        self.commits.count();
        Ok(())
    }

    fn commit_unlogged(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn flush_caches(&mut self) -> Result<(), StoreError> {
        self.stores.flush_caches()
    }

    fn identity(&self, store: usize) -> StoreIdentity {
        self.stores.identity(store)
    }

    fn belongs_to(&mut self, store: usize, topic: &ChangelogTopic) {
        self.stores.belongs_to(store, topic);
    }

    fn set_current_at(&mut self, store: usize, time: Timestamp) -> Result<(), StoreError> {
        self.stores.set_current_at(store, time)
    }

    fn directory(&self) -> Option<String> {
        self.stores.directory()
    }

    fn discard(&mut self) {
        self.stores.discard();
    }

    fn shared(&self) -> Option<Arc<dyn SharedStores>> {
        let (stores, commits) = (self.stores.share(), self.commits.clone());
        Some(Arc::new(Shared { stores, commits, budget: Arc::clone(&self.budget) }))
    }
}

/// The global stores, on their way to the workers.
struct Shared {
    stores: Vec<SharedStore>,
    commits: Commits,
    budget: Arc<OverlayBudget>,
}

impl SharedStores for Shared {
    fn of_worker(&self, context: &Rc<TaskContext>) -> Rc<dyn GlobalStores> {
        let stores = self.stores.iter().filter_map(|store| {
            let name = store.spec.name().clone();
            let factory = factory(&*store.spec).ok()?;
            let bytes = store.rows.to_read(&name);
            let layers = Layers::new(LayerParts {
                name,
                context: Rc::clone(context),
                cache: None,
                changelog: None,
                retention: reading(factory.retention_layer(), store, Retention::reading),
                duplicates: factory.duplicates(),
                versions: reading(factory.versions_layer(), store, Versions::reading),
                recency: None,
                staged: Staged::of_other_thread(bytes, &self.budget, &self.commits),
                commits: store.time.as_ref().map(|_| CommitsSeen::of(&self.commits)),
            });
            let found = layers.find_segments();
            if let Err(error) = found {
                tracing::warn!(%error, "the segments of a global store cannot be found");
            }
            let spec = Arc::clone(&store.spec);
            Some(ReadStore { layers: Rc::new(layers), spec, topic: store.topic.clone() })
        });
        Rc::new(StoresOfWorker(stores.collect()))
    }
}

/// A layer of a store that expires, on a thread that reads it.
fn reading<T>(
    layer: Option<T>,
    store: &SharedStore,
    by_time: impl FnOnce(T, Arc<AtomicI64>) -> T,
) -> Option<T> {
    Some(by_time(layer?, Arc::clone(store.time.as_ref()?)))
}

struct ReadStore {
    layers: Rc<Layers>,
    spec: Arc<dyn StoreSpec>,
    topic: TopicName,
}

/// The global stores, as one worker reads them.
struct StoresOfWorker(Vec<ReadStore>);

impl StoresOfWorker {
    fn read(&self, store: &StoreName) -> Option<(&ReadStore, Reach)> {
        let store = self.0.iter().find(|read| read.layers.name() == store)?;
        Some((store, Reach::new(Rc::clone(&store.layers), Access::Read)))
    }
}

impl GlobalStores for StoresOfWorker {
    fn handle(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        let (store, reach) = self.read(store)?;
        Some(factory(&*store.spec).ok()?.handle(reach, &store.topic))
    }

    fn handle_with_headers(&self, store: &StoreName) -> Option<Box<dyn Any>> {
        let (store, reach) = self.read(store)?;
        factory(&*store.spec).ok()?.handle_with_headers(reach, &store.topic)
    }
}
