//! Text that is never printed.

use std::fmt;

/// Text that may be secret. It shows nothing of itself in `Debug`, has no `Display`, and overwrites
/// its memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` in custody.
    ///
    /// ```
    /// # use streams_core::config::Secret;
    /// let password = Secret::new("sesame");
    /// assert_eq!(format!("{password:?}"), "Secret(***)");
    /// ```
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; keep it out of messages.
    ///
    /// ```
    /// # use streams_core::config::Secret;
    /// assert_eq!(Secret::new("sesame").expose(), "sesame");
    /// ```
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Keeps the compiler from leaving out a write that nobody reads.
        std::hint::black_box(&bytes);
    }
}
