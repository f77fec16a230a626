//! Null in types: what may be null is an `Option`.
//!
//! DIFFERENCE(nulls-in-types): in Kafka any key and value may be null, and nothing says where.

use std::any::type_name;
use std::sync::Arc;

use streams_core::error::ProcessorError;
use streams_core::names::TopicName;
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde};

mod sealed {
    use std::sync::Arc;

    use streams_core::serde::{OptionSerde, SharedSerde};

    /// What [`OrNull`](super::OrNull) is inside the crate.
    pub trait Nullable<N>: Sized + 'static {
        fn into_plain(self) -> Option<N>;
        fn as_plain(&self) -> Option<&N>;
        fn from_plain(plain: N) -> Self;
        fn serde(plain: SharedSerde<N>) -> SharedSerde<Self>;
    }

    impl<N: 'static> Nullable<N> for N {
        #[inline]
        fn into_plain(self) -> Option<N> {
            Some(self)
        }

        #[inline]
        fn as_plain(&self) -> Option<&N> {
            Some(self)
        }

        #[inline]
        fn from_plain(plain: N) -> Self {
            plain
        }

        fn serde(plain: SharedSerde<N>) -> SharedSerde<Self> {
            plain
        }
    }

    impl<N: 'static> Nullable<N> for Option<N> {
        #[inline]
        fn into_plain(self) -> Self {
            self
        }

        #[inline]
        fn as_plain(&self) -> Option<&N> {
            self.as_ref()
        }

        #[inline]
        fn from_plain(plain: N) -> Self {
            Some(plain)
        }

        fn serde(plain: SharedSerde<N>) -> SharedSerde<Self> {
            Arc::new(OptionSerde::new(plain))
        }
    }
}

pub(crate) use self::sealed::Nullable;

/// `N`, or `Option<N>` where null may come.
///
/// Keyed operators take streams whose keys, and sometimes values, are either; they drop and count a
/// null, and hand the plain value on. For a plain type nothing has to be written. For an `Option`
/// the plain type is named, as in `group_by_key::<String>()`, because `Option<String>` could also
/// be meant as a key of its own.
///
/// Aggregators return an `N`, or an `Option<N>` whose `None` deletes.
///
/// ```
/// # use streams_core::metrics::DropReason;
/// # use streams_dsl::{KStream, StreamsBuilder};
/// # use streams_test::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let plain: KStream<'_, String, i64> = builder.stream("plain");
/// let _ = plain.group_by_key().count();
/// let nullable: KStream<'_, Option<String>, i64> = builder.stream("nullable");
/// let _ = nullable.group_by_key::<String>().count();
///
/// # let driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input::<Option<String>, i64>("nullable").pipe_value(7)?;
/// assert_eq!(driver.dropped().of(DropReason::NullKey), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither `{N}` nor `Option<{N}>`",
    label = "name the plain type here"
)]
pub trait OrNull<N>: Nullable<N> {}

impl<N: 'static> OrNull<N> for N {}
impl<N: 'static> OrNull<N> for Option<N> {}

/// The plain value, unless there is none. For what is more than one thing that may be null.
#[inline]
pub(crate) fn plain<N, T: OrNull<N>>(value: &T) -> Option<&N> {
    value.as_plain()
}

/// As [`plain`], by value.
#[inline]
pub(crate) fn into_plain<N, T: OrNull<N>>(value: T) -> Option<N> {
    value.into_plain()
}

/// As [`into_plain`], of what a function gives that may fail.
#[inline]
pub(crate) fn try_into_plain<N, T, E>(made: Result<T, E>) -> Result<Option<N>, ProcessorError>
where
    T: OrNull<N>,
    E: Into<ProcessorError>,
{
    made.map(into_plain).map_err(Into::into)
}

/// The serde of what may be null, from that of the plain type.
pub(crate) fn nullable_serde<T: OrNull<N>, N>(plain: SharedSerde<N>) -> SharedSerde<T> {
    T::serde(plain)
}

/// The serde of the plain type, from that of what may be null.
pub(crate) fn plain_serde<N: Clone + 'static>(nullable: &SharedSerde<Option<N>>) -> SharedSerde<N> {
    Arc::new(Plain(Arc::clone(nullable)))
}

struct Plain<N>(SharedSerde<Option<N>>);

impl<N: Clone + 'static> Serde<N> for Plain<N> {
    fn encode(
        &self,
        topic: &TopicName,
        plain: &N,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        self.0.encode(topic, &Some(plain.clone()), out)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<N, SerdeError> {
        let null = SerdeError::Null { expected: type_name::<N>() };
        self.0.decode(topic, bytes)?.ok_or(null)
    }
}
