//! Values of a table's rows made with stores.

use streams_core::error::ProcessorError;
use streams_core::processor::{ConnectedStores, LinkError};
use streams_dsl::{Consumed, Derived, KStream, KTable, Materialized, StreamsBuilder};
use streams_state::{KeyValueStore, Stores};

use crate::{drive, written};

const INPUT: &[&str] = &["a one 5", "- two 6", "b - 7", "a x 3", "b two 8", "b - 9"];

type Table<'b> = KTable<'b, String, String>;
type Transformed = Result<Option<String>, ProcessorError>;

/// Writes the number of its calls for the key behind the value, and `none` for a deletion of `b`.
fn numbering(
    stores: &ConnectedStores<'_, '_>,
) -> Result<impl FnMut(&String, Option<String>) -> Transformed + use<>, LinkError> {
    let calls: KeyValueStore<String, i64> = stores.store("calls")?;
    Ok(move |key: &String, value: Option<String>| {
        let call = calls.get(key)?.unwrap_or(0) + 1;
        calls.put(key, &call)?;
        let value = value.or_else(|| (key == "b").then(|| "none".to_owned()));
        Ok(value.map(|value| format!("{value}{call}")))
    })
}

fn with_calls() -> StreamsBuilder {
    let builder = StreamsBuilder::new();
    builder.add_state_store(Stores::key_value::<String, i64>("calls"));
    builder
}

fn numbered(table: Table<'_>, derived: Derived<String, String>) -> Table<'_> {
    table.transform_values_with(numbering, &["calls"], derived)
}

#[test]
fn a_transformer_is_called_for_deletions_too() {
    let expected = "a=one1@5 b=none1@7 a=x2@3 b=two2@8 b=none3@9";
    let builder = with_calls();
    numbered(builder.table("in"), Derived::default()).to_stream().to("out");
    assert_eq!(written::<String>(&drive(&builder.build().unwrap(), INPUT), "out"), expected);

    let builder = with_calls();
    let stored = Materialized::named("numbered").without_cache();
    numbered(builder.table("in"), stored.into()).to_stream().to("out");
    let driver = drive(&builder.build().unwrap(), INPUT);
    assert_eq!(written::<String>(&driver, "out"), expected);
    let rows = driver.key_values::<String, String>("numbered").unwrap();
    assert_eq!(rows.get(&"b".to_owned()).unwrap(), Some("none3".to_owned()));
    let changes = driver.produced("topology-test-driver-calls-changelog");
    let times: Vec<_> = changes.iter().map(|change| change.timestamp.millis()).collect();
    assert_eq!(times, [5, 7, 3, 8, 9]);
}

/// How often the transformer was called for `a` in two updates whose values before are needed.
fn calls_with_old_values(derived: Derived<String, String>) -> Option<i64> {
    let builder = with_calls();
    let table = numbered(builder.table("in"), derived);
    let by_all = table.group_by(|_, value| ("all".to_owned(), value));
    let _ = by_all.reduce(|all: String, new: String| all + &new, |all: String, _: String| all);
    let driver = drive(&builder.build().unwrap(), &["a one 5", "a two 6"]);
    let calls = driver.key_values::<String, i64>("calls").unwrap();
    calls.get(&"a".to_owned()).unwrap()
}

#[test]
fn the_value_before_is_made_anew_unless_it_is_stored() {
    assert_eq!(calls_with_old_values(Derived::default()), Some(4));
    assert_eq!(calls_with_old_values(Materialized::named("numbered").into()), Some(2));
}

#[test]
fn a_join_asks_a_transformer_of_its_own() {
    let builder = with_calls();
    let table = numbered(
        builder.table_with("in", Consumed::new(), Materialized::new()),
        Derived::default(),
    );
    let words: KStream<'_, String, String> = builder.stream("words");
    words.join_table(table, |word: &String, row: &String| format!("{word}.{row}")).to("out");
    let topology = builder.build().unwrap();
    let text = topology.describe().to_string();
    assert!(text.contains("(stores: [in-STATE-STORE-0000000000, calls])"), "{text}");
    let lines = ["in: a one 5", "words: a x 6", "words: b y 7", "words: c z 8"];
    let driver = drive(&topology, &lines);
    assert_eq!(written::<String>(&driver, "out"), "a=x.one2@6 b=y.none1@7");
}

#[test]
fn a_store_that_is_not_there_is_a_fault() {
    let builder = StreamsBuilder::new();
    let _ = numbered(builder.table("in"), Derived::default());
    let faults = builder.build().unwrap_err();
    assert!(faults.to_string().contains("calls"), "{faults}");
}
