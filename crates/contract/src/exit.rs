//! Exit codes of the runner: one for each way in which a driver acts differently.

use transcode_engine::Failure;

/// Why the runner ended. The numbers are the contract; they keep clear of the shell's and of
/// signals (126 and up).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The result object is written and was read back.
    Done = 0,
    /// Anything that may pass by itself.
    Transient = 1,
    /// The task file or the arguments make no sense.
    WrongUse = 2,
    /// The source is at fault.
    BadInput = 10,
    /// This chunk can't be made.
    BadChunk = 11,
    /// The spec or the site is at fault.
    Misconfigured = 12,
    /// Results of an earlier stage are gone.
    Missing = 13,
    /// Not enough memory.
    OutOfMemory = 15,
    /// Not enough disk.
    NoSpace = 16,
    /// No progress, or far too long.
    Stuck = 17,
    /// What was made is not what it has to be.
    Unverified = 19,
    /// SIGTERM or SIGINT.
    Terminated = 18,
}

impl ExitCode {
    /// The code for a failure.
    pub fn of(failure: &Failure) -> Self {
        match failure {
            Failure::BadInput => ExitCode::BadInput,
            Failure::BadChunk => ExitCode::BadChunk,
            Failure::Misconfigured => ExitCode::Misconfigured,
            Failure::Missing { .. } => ExitCode::Missing,
            Failure::OutOfMemory => ExitCode::OutOfMemory,
            Failure::NoSpace => ExitCode::NoSpace,
            Failure::Stuck => ExitCode::Stuck,
            Failure::Unverified => ExitCode::Unverified,
            Failure::Disrupted => ExitCode::Terminated,
            Failure::Transient => ExitCode::Transient,
        }
    }

    /// What a bare exit status means when no report came with it.
    pub fn failure(status: Option<i32>) -> Failure {
        match status {
            Some(10) => Failure::BadInput,
            Some(11) => Failure::BadChunk,
            Some(2 | 12) => Failure::Misconfigured,
            Some(15) => Failure::OutOfMemory,
            Some(16) => Failure::NoSpace,
            Some(17) => Failure::Stuck,
            Some(18) => Failure::Disrupted,
            Some(19) => Failure::Unverified,
            _ => Failure::Transient,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for failure in [
            Failure::BadInput,
            Failure::BadChunk,
            Failure::Misconfigured,
            Failure::OutOfMemory,
            Failure::NoSpace,
            Failure::Stuck,
            Failure::Unverified,
            Failure::Disrupted,
            Failure::Transient,
        ] {
            assert_eq!(ExitCode::failure(Some(ExitCode::of(&failure) as i32)), failure);
        }
        assert_eq!(ExitCode::failure(None), Failure::Transient);
    }
}
