//! Global stores in a place of the program's own.

use std::sync::Arc;

use streams_core::worker::WorkerSettings;
use streams_state::MemoryBackend;

use super::{
    cluster, declared, global, joins, row, rows, run, see_rows_move_forward, send, settings_of,
};
use crate::shelf::{Shelf, Shelves};

fn kept_in(shelves: &Shelves) -> WorkerSettings {
    settings_of(declared().kept_in(shelves.clone()), Arc::new(MemoryBackend::new()))
}

#[test]
fn tasks_see_all_partitions_and_what_comes_later() {
    joins(&kept_in(&Shelves::default()));
    see_rows_move_forward(&kept_in(&Shelves::default()));
}

#[test]
fn another_process_reads_on_from_what_was_written_last() {
    let (kafka, shelves) = (cluster(), Shelves::default());
    for partition in 0..3 {
        send(&kafka, ("rates", partition), &format!("k{partition}"), 7);
    }
    let settings = kept_in(&shelves);
    let mut globals = global(&settings, &kafka);
    assert_eq!(run(&mut globals, &settings).records(), 3);
    drop(globals);
    send(&kafka, ("rates", 1), "k1", 8);
    let settings = kept_in(&shelves);
    let mut globals = global(&settings, &kafka);
    let told = run(&mut globals, &settings);
    assert_eq!((told.records(), told.is_filled), (1, true));
    assert_eq!(rows(&globals), [row("k0", 7), row("k1", 8), row("k2", 7)].into());
    // What is of another topic by now, or was damaged, is filled anew.
    drop(globals);
    kafka.delete_topic(&"rates".into()).unwrap();
    kafka.create_topic("rates", 3, [].into()).unwrap();
    send(&kafka, ("rates", 0), "new", 1);
    let settings = kept_in(&shelves);
    let mut globals = global(&settings, &kafka);
    assert_eq!(run(&mut globals, &settings).records(), 1);
    assert_eq!(rows(&globals), [row("new", 1)].into());
}

#[test]
fn a_full_place_is_waited_for() {
    let (kafka, shelves) = (cluster(), Shelves::default());
    send(&kafka, ("rates", 0), "a", 2);
    let settings = kept_in(&shelves);
    let mut globals = global(&settings, &kafka);
    shelves.each(Shelf::fill);
    let told = run(&mut globals, &settings);
    assert!(!told.is_filled && told.failure.is_none(), "{:?}", told.failure);
    shelves.each(Shelf::make_room);
    let told = run(&mut globals, &settings);
    assert!(told.is_filled && told.failure.is_none(), "{:?}", told.failure);
    assert_eq!(rows(&globals), [row("a", 2)].into());
}
