//! A credential as files and helpers provide it.

use crate::http::Secret;

/// User name that marks a password as an identity token (docker-credential-helpers).
const TOKEN_USER: &str = "<token>";

/// Credential for a registry or its token server.
pub(in crate::registry) enum Credential {
    Password {
        user: String,
        password: Secret,
    },
    /// Refresh token for token servers (`identitytoken`).
    Identity(Secret),
    /// Bearer token for the registry itself (`registrytoken`).
    Token(Secret),
}

impl Credential {
    /// Creates the credential of a user; none if user and password are empty.
    pub(super) fn login(user: &str, password: &str) -> Option<Self> {
        let password_or_token = Secret::new(password);
        match (user, password) {
            ("", "") => None,
            (TOKEN_USER, _) => Some(Self::Identity(password_or_token)),
            _ => Some(Self::Password { user: user.to_owned(), password: password_or_token }),
        }
    }
}
