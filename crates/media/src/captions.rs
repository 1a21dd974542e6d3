//! Captions inside pictures (CEA-608 and CEA-708), as H.264 carries them: a message of registered user data in each
//! picture (ATSC A/53 part 4, 6.2.3). They go with the pictures; what is read here is which ones there are, because
//! playlists have to say so.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Whose captions these are; displays as `INSTREAM-ID` of RFC 8216bis 4.4.6.1 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Channel {
    /// A channel of CEA-608, 1 to 4: `CC1`.
    Line21(u8),
    /// A service of CEA-708, 1 to 63: `SERVICE1`.
    Service(u8),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Line21(n) => write!(f, "CC{n}"),
            Channel::Service(n) => write!(f, "SERVICE{n}"),
        }
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> String {
        channel.to_string()
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let within = |number: &str, most: u8| number.parse().ok().filter(|n| (1..=most).contains(n));
        let line_21 = text.strip_prefix("CC").and_then(|n| within(n, 4)).map(Channel::Line21);
        let service = text.strip_prefix("SERVICE").and_then(|n| within(n, 63)).map(Channel::Service);
        line_21.or(service).ok_or_else(|| format!("`{text}` is no channel of captions"))
    }
}

impl TryFrom<String> for Channel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// `cc_data` of a picture: for each construct its flags (marker bits, `cc_valid`, `cc_type`) and two bytes.
pub type Constructs = Vec<[u8; 3]>;

/// Country code, provider, identifier and type of caption data (ATSC A/53 part 4, 6.2.3).
const CAPTIONS: [u8; 8] = [0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];
/// How many constructs there are is in the low bits of its first byte.
const COUNT: u8 = 0x1f;
/// `process_cc_data_flag`: they mean something.
const PROCESS: u8 = 0x40;

/// Captions in a message of registered user data (ITU-T T.35); `None` when it has something else in it.
pub fn constructs(message: &[u8]) -> Option<Constructs> {
    let rest = message.strip_prefix(&CAPTIONS)?;
    // The second byte is `em_data`.
    let (flags, rest) = rest.split_first()?;
    let data = rest.get(1..)?.chunks_exact(3).take(usize::from(flags & COUNT));
    (flags & PROCESS != 0).then(|| data.filter_map(|three| three.try_into().ok()).collect())
}

/// Captions of successive pictures.
#[derive(Debug, Clone, Default)]
pub struct Captions {
    pictures: Vec<(i64, Constructs)>,
}

impl Captions {
    /// Adds those of a picture that is shown at `time`. Pictures come in any order.
    pub fn push(&mut self, time: i64, constructs: Constructs) {
        self.pictures.push((time, constructs));
    }

    /// Pictures that have captions, be they empty.
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// Who says something in them.
    pub fn channels(mut self) -> BTreeSet<Channel> {
        self.pictures.sort_by_key(|(time, _)| *time);
        let (mut found, mut packet) = (BTreeSet::new(), Vec::new());
        for [flags, first, second] in self.pictures.into_iter().flat_map(|(_, constructs)| constructs) {
            let valid = flags & 4 != 0;
            match flags & 3 {
                field @ (0 | 1) if valid => found.extend(line_21(field, first, second)),
                // The start of a packet, and what goes on with it.
                3 => {
                    found.extend(services(&packet));
                    packet.clear();
                    packet.extend(valid.then_some([first, second]).into_iter().flatten());
                }
                2 if valid && !packet.is_empty() => packet.extend([first, second]),
                _ => {}
            }
        }
        found.extend(services(&packet));
        found
    }
}

/// The channel of a command that begins captions or shows them: resume loading, roll up 2 to 4 rows, resume direct,
/// end of caption (CEA-608-E, annex B). Which channel it is the field tells, and the bit of the second channel; all bytes
/// have odd parity.
fn line_21(field: u8, first: u8, second: u8) -> Option<Channel> {
    let (first, second) = (first & 0x7f, second & 0x7f);
    let command = first & 0xf6 == 0x14 && matches!(second, 0x20 | 0x25..=0x27 | 0x29 | 0x2f);
    command.then_some(Channel::Line21(1 + 2 * field + (first >> 3 & 1)))
}

/// Services of a caption channel packet (CEA-708-E, 5 and 6.2). What is cut off has none.
fn services(packet: &[u8]) -> Vec<Channel> {
    let mut found = vec![];
    let Some((header, rest)) = packet.split_first() else { return found };
    let size = match header & 0x3f {
        0 => 127,
        code => usize::from(code) * 2 - 1,
    };
    let mut rest = rest.get(..size).unwrap_or(rest);
    while let Some((header, after)) = rest.split_first() {
        let (service, size) = (header >> 5, usize::from(header & 0x1f));
        let (service, after) = match (service, after.split_first()) {
            (7, Some((extended, after))) if size > 0 => (extended & 0x3f, after),
            _ => (service, after),
        };
        // Nothing but padding follows service 0.
        let Some((_, after)) = after.split_at_checked(size).filter(|_| service > 0) else { break };
        found.extend((size > 0).then_some(Channel::Service(service)));
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: [u8; 3] = [0xf8, 0x80, 0x80];

    fn of(pictures: &[(i64, &[[u8; 3]])]) -> Vec<String> {
        let mut captions = Captions::default();
        pictures.iter().for_each(|(time, constructs)| captions.push(*time, constructs.to_vec()));
        captions.channels().iter().map(Channel::to_string).collect()
    }

    #[test]
    fn channels_of_cea_608_are_told_by_field_and_command() {
        // Resume loading with odd parity: 0x14 0x20 is 0x94 0x20; of the second channel 0x1c 0x20.
        assert_eq!(of(&[(0, &[[0xfc, 0x94, 0x20]])]), ["CC1"]);
        assert_eq!(of(&[(0, &[[0xfc, 0x1c, 0x20], [0xfd, 0x15, 0x2f]])]), ["CC2", "CC3"]);
        // Padding, text, what is not valid, and data of other kinds (XDS) in the second field.
        assert!(
            of(&[(0, &[[0xfc, 0x80, 0x80], [0xfc, 0xc8, 0x45], [0xf8, 0x94, 0x20], [0xfd, 0x01, 0x03]])]).is_empty()
        );
    }

    #[test]
    fn services_of_cea_708_are_put_together_in_the_order_in_which_pictures_are_shown() {
        // A packet of 5 bytes after its header: service 1 with 2 bytes, service 9 by an extended header with 1.
        let (start, middle, end) = ([0xff, 0x03, 0x22], [0xfe, b'h', b'i'], [0xfe, 0xe1, 0x09]);
        let rest = [0xfe, b'x', 0x00];
        // Code 3 is 5 bytes: 22 68 69 e1 09; its last block is cut off.
        assert_eq!(of(&[(40, &[end, rest]), (0, &[start]), (20, &[EMPTY, middle])]), ["SERVICE1"]);
        let longer = [0xff, 0x04, 0x22];
        assert_eq!(of(&[(40, &[end, rest]), (0, &[longer]), (20, &[middle])]), ["SERVICE1", "SERVICE9"]);
        assert!(of(&[(0, &[middle, end])]).is_empty());
    }

    #[test]
    fn a_message_is_read_as_far_as_it_goes() {
        let message = [&CAPTIONS[..], &[0x42, 0xff, 0xfc, 0x94, 0x20, 0xfd, 0x80, 0x80, 0xff]].concat();
        assert_eq!(constructs(&message).unwrap(), [[0xfc, 0x94, 0x20], [0xfd, 0x80, 0x80]]);
        assert_eq!(constructs(&message[..14]).unwrap(), [[0xfc, 0x94, 0x20]]);
        assert_eq!(constructs(&message[..9]), None);
        assert_eq!(constructs(b"\xb5\x00\x31DTG1\x41"), None);
    }

    #[test]
    fn channels_are_written_as_playlists_name_them() {
        for channel in [Channel::Line21(4), Channel::Service(63)] {
            assert_eq!(channel.to_string().parse(), Ok(channel));
        }
        for wrong in ["CC5", "SERVICE0", "cc1", ""] {
            assert!(wrong.parse::<Channel>().is_err(), "{wrong}");
        }
    }
}
