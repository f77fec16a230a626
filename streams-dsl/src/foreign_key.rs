//! What a join of tables by a foreign key keeps (KIP-213): its store has a row for each left row that
//! refers to a right one. Kafka's own types of these names are internal; here tests and tools can read
//! the store with them. A program needs the tables alone.
//!
//! ```
//! use streams_dsl::foreign_key::{CombinedKey, Instruction, Subscription};
//! use streams_dsl::{KTable, Materialized, StreamsBuilder, TableJoined};
//! use streams_test::TopologyTestDriver;
//!
//! let builder = StreamsBuilder::new();
//! let books: KTable<'_, String, String> = builder.table("author-of-book");
//! let authors: KTable<'_, String, String> = builder.table("country-of-author");
//! let _ = books.foreign_key_join_with(
//!     authors,
//!     |author| author.clone(),
//!     |_: &String, country: &String| country.clone(),
//!     TableJoined::named("land"),
//!     Materialized::<String, String>::new(),
//! );
//!
//! let driver = TopologyTestDriver::new(&builder.build()?)?;
//! driver.input::<String, String>("author-of-book").pipe("Peer Gynt", "Ibsen")?;
//! let store = "land-subscription-store";
//! let rows = driver.entries::<CombinedKey<String, String>, Subscription<String>>(store)?;
//! let [row] = &rows[..] else { panic!("one book refers to an author") };
//! assert_eq!(row.key.foreign.as_deref(), Some("Ibsen"));
//! assert_eq!(row.key.primary, "Peer Gynt");
//! assert_eq!(row.value.instruction, Instruction::PropagateOnlyIfForeignRow);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::operators::foreign_key::{CombinedKey, Instruction, Subscription};
