//! streams-test
