//! The password for the broker: gone from memory when it is dropped, and never shown.

use zeroize::Zeroizing;

/// What the broker is told with the user name.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// This one.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(Zeroizing::new(password.into()))
    }

    /// For whoever sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(*)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let password = Password::new("pa55w0rd");
        assert_eq!(
            format!("{password:?} {:?}", Some(&password)),
            "Password(*) Some(Password(*))"
        );
        assert_eq!(password.reveal(), "pa55w0rd");
    }
}
