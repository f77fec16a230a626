//! streams-kafka
