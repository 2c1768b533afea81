//! Text that no message, log or dump shows.

/// A secret of a Git remote or of a signing key; has no `Debug`, `Display` or `Serialize`.
#[derive(Clone)]
pub struct GitSecret(String);

impl GitSecret {
    /// Wraps a text that stays secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}
