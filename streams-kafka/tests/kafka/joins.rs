//! Joins over topics of several partitions.

use std::collections::BTreeMap;

use streams_core::murmur2::partition_for_key;
use streams_core::topology::Topology;
use streams_dsl::{KTable, StreamsBuilder};

use crate::support::app::SOON;
use crate::support::fold::EPOCH;
use crate::support::{App, Given, Place, broker, holds_within};

const BOOK_PARTITIONS: i32 = 3;
const AUTHOR_PARTITIONS: i32 = 2;

fn row(key: &str, value: &str, partitions: i32) -> Given {
    Given::text(partition_for_key(key.as_bytes(), partitions), key, value, EPOCH)
}

/// Books, each with the number of its author, and the names of the authors.
fn books(place: &Place, authors: &str) -> Topology {
    let builder = StreamsBuilder::new();
    let books: KTable<'_, String, String> = builder.table(&*place.input);
    let authors: KTable<'_, String, String> = builder.table(authors);
    let title = |author: &String, name: &String| format!("{author}: {name}");
    books.foreign_key_join(authors, String::clone, title).to_stream().to(&*place.output);
    builder.build().unwrap()
}

#[test]
fn answers_of_a_foreign_key_join_find_their_partition_also_after_a_restart() {
    let place = Place::without_topics(broker::shared(), "books");
    let authors = format!("{}-authors", place.input);
    place.cluster.create(&place.input, BOOK_PARTITIONS);
    place.cluster.create(&authors, AUTHOR_PARTITIONS);
    place.cluster.create(&place.output, BOOK_PARTITIONS);
    let name = |author: i32, edition: i32| {
        row(&author.to_string(), &format!("name {edition}"), AUTHOR_PARTITIONS)
    };
    place.cluster.write(&authors, &(0..5).map(|author| name(author, 1)).collect::<Vec<_>>());
    let book = |at: i32| row(&format!("b{at}"), &(at % 5).to_string(), BOOK_PARTITIONS);
    place.cluster.write(&place.input, &(0..60).map(book).collect::<Vec<_>>());
    for edition in 1..=2 {
        if edition == 2 {
            place.cluster.write(&authors, &[name(3, 2)]);
        }
        let app: App = place.start(books(&place, &authors));
        let expected: BTreeMap<String, String> = (0..60)
            .map(|at| {
                let edition = if at % 5 == 3 { edition } else { 1 };
                (format!("b{at}"), format!("{}: name {edition}", at % 5))
            })
            .collect();
        holds_within("every book has its author's name", SOON, || {
            let seen = place.cluster.read(&place.output);
            let rows = seen.iter().map(|seen| (seen.key_text(), seen.value_text()));
            rows.collect::<BTreeMap<_, _>>() == expected
        });
        app.close();
    }
}
