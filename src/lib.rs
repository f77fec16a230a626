//! Stream processing on Apache Kafka.
