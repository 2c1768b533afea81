//! Exit codes of the process.

/// Exit code of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything requested was verified and is in place.
    #[default]
    Success = 0,
    /// Definitions are invalid, or Git or a proposal failed.
    Error = 1,
    /// The lock or a target differs from its expected content.
    Drift = 2,
    /// Some tags could not be resolved and kept their pins.
    Partial = 3,
    /// A policy or integrity check refused something.
    Refused = 4,
    /// The branch kept moving.
    Contention = 5,
    /// A hook failed, or its success is unconfirmed; it stays pending.
    HookFailed = 6,
    /// The command line is invalid; nothing was done.
    Usage = 64,
    /// A signal stopped the command.
    Interrupted = 130,
}

impl Exit {
    /// All codes, from best to worst.
    const ORDER: [Self; 9] = [
        Self::Success,
        Self::Drift,
        Self::HookFailed,
        Self::Partial,
        Self::Contention,
        Self::Error,
        Self::Refused,
        Self::Usage,
        Self::Interrupted,
    ];

    /// Returns the number passed to the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the worse of two codes.
    pub fn worst(self, other: Self) -> Self {
        let rank = |exit: Self| Self::ORDER.iter().position(|known| *known == exit);
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_wins() {
        // DESIGN §3: precedence 4, 1, 5, 3, 6, 2.
        let order = [
            Exit::Success,
            Exit::Drift,
            Exit::HookFailed,
            Exit::Partial,
            Exit::Contention,
            Exit::Error,
            Exit::Refused,
            Exit::Usage,
            Exit::Interrupted,
        ];
        assert_eq!(order.map(Exit::code), [0, 2, 6, 3, 5, 1, 4, 64, 130]);
        for (at, worse) in order.into_iter().enumerate() {
            for better in order.into_iter().take(at + 1) {
                assert_eq!((worse.worst(better), better.worst(worse)), (worse, worse));
            }
        }
    }
}
