//! streams-kafka

#[expect(dead_code, reason = "the data plane and the shell are built on it")]
mod ffi;
