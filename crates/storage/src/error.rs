//! What can go wrong between this program and its media.

use std::error::Error;
use std::io;

/// Why a store or a source could not do what was asked.
///
/// The variant decides what the caller does; the message says what happened, where, and what a
/// person can do about it. No variant carries credentials or the query of a signed URL.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The object, file or page isn't there.
    #[error("{uri} was not found ({why}). Check the name, and that it was written before.")]
    NotFound {
        /// Where.
        uri: String,
        /// What was answered.
        why: String,
    },
    /// The bucket isn't there.
    #[error("the bucket of {uri} does not exist ({why}). Create it, or check `bucket`, `endpoint` and `region`.")]
    NoSuchBucket {
        /// Where.
        uri: String,
        /// What was answered.
        why: String,
    },
    /// The other side knows us and says no, or doesn't know us.
    #[error("access to {uri} was denied ({why}). Check the credentials or permissions, and what they allow there.")]
    Denied {
        /// Where.
        uri: String,
        /// What was answered.
        why: String,
    },
    /// Nothing more fits.
    #[error("there is no space left for {uri} ({why}). Free some, or raise the quota.")]
    NoSpace {
        /// Where.
        uri: String,
        /// What was answered.
        why: String,
    },
    /// It can't work as it is set up; trying again is useless.
    #[error("{uri} can't be used as configured: {why}.")]
    Misconfigured {
        /// Where.
        uri: String,
        /// What is wrong, and what to change.
        why: String,
    },
    /// The guard forbids this address, port, scheme or key.
    #[error("{uri} is refused: {why}.")]
    Refused {
        /// Where.
        uri: String,
        /// The rule that was broken, and who can change it.
        why: String,
    },
    /// It was replaced while it was being read.
    #[error("{uri} changed while it was being read ({why}). Start again from the new version.")]
    Changed {
        /// Where.
        uri: String,
        /// How that was seen.
        why: String,
    },
    /// It is larger than the caller accepts.
    #[error("{uri} is too large: {why}.")]
    TooLarge {
        /// Where.
        uri: String,
        /// Size and limit.
        why: String,
    },
    /// It may work later: a timeout, a cut connection, a busy server.
    #[error("{uri} is unavailable ({why}). This is usually temporary: try again.")]
    Unavailable {
        /// Where.
        uri: String,
        /// What happened.
        why: String,
    },
}

/// What this crate's functions return.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

macro_rules! shorthand {
    ($($name:ident => $variant:ident),* $(,)?) => {$(
        pub(crate) fn $name(uri: impl Into<String>, why: impl ToString) -> Self {
            Self::$variant { uri: uri.into(), why: why.to_string() }
        }
    )*};
}

impl StoreError {
    shorthand! {
        not_found => NotFound,
        no_such_bucket => NoSuchBucket,
        denied => Denied,
        no_space => NoSpace,
        misconfigured => Misconfigured,
        refused => Refused,
        changed => Changed,
        too_large => TooLarge,
        unavailable => Unavailable,
    }

    /// Whether the same call may succeed later with nothing changed by a person.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Sorts an operating system's error. `uri` is what a person would recognise.
    pub fn from_io(uri: impl Into<String>, error: &io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::NotFound => Self::not_found(uri, error),
            K::PermissionDenied | K::ReadOnlyFilesystem => Self::denied(uri, error),
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => Self::no_space(uri, error),
            K::NotADirectory
            | K::IsADirectory
            | K::AlreadyExists
            | K::DirectoryNotEmpty
            | K::InvalidFilename
            | K::InvalidInput => Self::misconfigured(uri, error),
            _ => Self::unavailable(uri, error),
        }
    }
}

/// An error and its causes on one line, without repeats.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// What to do about a server whose certificate nobody here vouches for: no retry mends that.
pub(crate) fn untrusted(error: &(dyn Error + 'static)) -> Option<String> {
    let words = chain(error);
    // As rustls puts it; its type is hidden behind others that can't be looked into.
    words.contains("invalid peer certificate").then(|| {
        format!("{words}; SSL_CERT_FILE names the authorities that are trusted, on a cluster runner.caConfigMap of the chart")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_sorted() {
        let sort = |number| StoreError::from_io("/out/a.mp4", &io::Error::from_raw_os_error(number));
        let (permission, no_space, quota, read_only, broken) = (13, 28, 122, 30, 5);
        assert!(matches!(sort(permission), StoreError::Denied { .. }));
        assert!(matches!(sort(read_only), StoreError::Denied { .. }));
        assert!(matches!(sort(no_space), StoreError::NoSpace { .. }));
        assert!(matches!(sort(quota), StoreError::NoSpace { .. }));
        assert!(sort(broken).is_transient());
        let message = sort(no_space).to_string();
        assert!(message.contains("/out/a.mp4") && message.contains("No space left"), "{message}");
    }
}
