//! Program maps that send streams elsewhere.
//!
//! A new program map (ISO/IEC 13818-1 2.4.4.8) may send each stream on another PID, once or there and back. What reads
//! the stream begins new ones then; ffmpeg's `-merge_pmt_versions` pairs them by their place in the map, whatever they
//! are, and holds the last picture on the old PID back until the end. So the streams are served on the PIDs of the first
//! map throughout, and the other maps are not served.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SYNC;

/// The PID of packets that mean nothing (2.4.1).
const NULL: u16 = 0x1fff;
/// Changes of a map at most; further ones are not followed.
const MOST: usize = 1000;

/// From a place on, packets of these PIDs are served as others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where the program map lies.
    pub from: u64,
    /// PIDs as they are, and as they are served.
    pub pids: Vec<(u16, u16)>,
}

/// What a program map says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Map {
    program: u16,
    pid: u16,
    /// Type (table 2-34) and PID of each stream.
    streams: Vec<(u8, u16)>,
}

/// Sees the program maps in packets that pass, in any order.
#[derive(Debug, Default)]
pub struct Maps {
    pids: BTreeSet<u16>,
    seen: BTreeMap<u64, Map>,
}

impl Maps {
    /// Looks at the packet that lies at a place.
    pub fn see(&mut self, at: u64, packet: &[u8]) {
        let Some((pid, section)) = section(packet) else { return };
        match section {
            [0, ..] if pid == 0 => self.pids.extend(programs(section)),
            [2, ..] if self.pids.contains(&pid) && self.seen.len() < MOST => {
                let Some(map) = map(pid, section) else { return };
                let before = self.seen.range(..at).rev().find(|(_, known)| known.program == map.program);
                if before.is_none_or(|(_, before)| *before != map) {
                    self.seen.insert(at, map);
                }
            }
            _ => {}
        }
    }

    /// How to serve the streams of all programs on the PIDs of their first maps.
    pub fn routes(&self) -> Vec<Route> {
        let (mut first, mut now): (BTreeMap<u16, &Map>, BTreeMap<u16, &Map>) = Default::default();
        let mut routes: Vec<Route> = vec![];
        for (at, map) in &self.seen {
            let known = first.entry(map.program).or_insert(map);
            // A map with further streams is the better first one.
            if known.streams.iter().all(|stream| map.streams.contains(stream)) {
                *known = map;
            }
            now.insert(map.program, map);
            let moved = first.values().zip(now.values()).filter(|(first, now)| first != now);
            let pids: Vec<(u16, u16)> = moved.flat_map(|(first, now)| first.route(now)).collect();
            let last = routes.last().map(|route| route.pids.as_slice()).unwrap_or_default();
            if last != pids.as_slice() {
                routes.push(Route { from: *at, pids });
            }
        }
        routes
    }
}

impl Map {
    /// The n-th stream of a type is the n-th of that type in the first map. What has no place there must not take
    /// another's; where it takes none, the map is served, and tells of it.
    fn route(&self, now: &Map) -> Vec<(u16, u16)> {
        let of = |map: &Map, kind: u8| -> Vec<u16> {
            map.streams.iter().filter(|(other, _)| *other == kind).map(|(_, pid)| *pid).collect()
        };
        let place = |(kind, pid): &(u8, u16)| {
            let n = of(now, *kind).iter().position(|other| other == pid)?;
            of(self, *kind).get(n).copied()
        };
        let taken = |pid: u16| self.streams.iter().any(|(_, other)| *other == pid).then_some(NULL);
        let placed = now.streams.iter().map(|stream| (stream.1, place(stream).or(taken(stream.1))));
        let (placed, more): (Vec<_>, Vec<_>) = placed.partition(|(_, to)| to.is_some());
        let map = more.is_empty().then_some((now.pid, Some(NULL)));
        let pids = placed.into_iter().chain(map).filter_map(|(from, to)| Some((from, to?)));
        pids.filter(|(from, to)| from != to).collect()
    }
}

/// A section that lies in one packet whole, as those of one program do (2.4.4.1), without its checksum.
fn section(packet: &[u8]) -> Option<(u16, &[u8])> {
    let [SYNC, high, low, control, ..] = *packet else { return None };
    // payload_unit_start_indicator; a payload.
    if high & 0x40 == 0 || control & 0x10 == 0 {
        return None;
    }
    let adaptation = if control & 0x20 == 0 { 0 } else { 1 + usize::from(*packet.get(4)?) };
    let pointer = 4 + adaptation;
    let section = packet.get(pointer + 1 + usize::from(*packet.get(pointer)?)..)?;
    let length = usize::from(section.get(1)? & 0x0f) << 8 | usize::from(*section.get(2)?);
    // current_next_indicator
    if section.get(5)? & 1 == 0 {
        return None;
    }
    let pid = pid(high, low);
    Some((pid, section.get(..(3 + length).checked_sub(4)?)?))
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from(high & 0x1f) << 8 | u16::from(low)
}

/// PIDs of the program maps of an association table (2.4.4.3); program 0 is none.
fn programs(section: &[u8]) -> impl Iterator<Item = u16> + '_ {
    section.get(8..).unwrap_or_default().chunks_exact(4).filter_map(|entry| match *entry {
        [0, 0, ..] => None,
        [_, _, high, low] => Some(pid(high, low)),
        _ => None,
    })
}

fn map(map: u16, section: &[u8]) -> Option<Map> {
    let length = |high: u8, low: u8| usize::from(high & 0x0f) << 8 | usize::from(low);
    let [_, _, _, program_high, program_low, _, _, _, _, _, high, low, ..] = *section else { return None };
    let mut rest = section.get(12 + length(high, low)..)?;
    let mut streams = vec![];
    while let [kind, pid_high, pid_low, high, low, after @ ..] = rest {
        streams.push((*kind, pid(*pid_high, *pid_low)));
        rest = after.get(length(*high, *low)..)?;
    }
    Some(Map { program: u16::from_be_bytes([program_high, program_low]), pid: map, streams })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, section: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x10, 0];
        packet.extend(section);
        packet.resize(188, 0xff);
        packet
    }

    fn with_length(start: &[u8], rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() + 4) as u8;
        [&[start[0], 0xb0, length][..], rest, &[0; 4]].concat()
    }

    fn map_of(streams: &[(u8, u16)]) -> Vec<u8> {
        let mut rest = vec![0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0];
        for (kind, pid) in streams {
            rest.extend([*kind, 0xe0 | (pid >> 8) as u8, *pid as u8, 0xf0, 2, 1, 2]);
        }
        packet(0x1000, &with_length(&[2], &rest))
    }

    fn routes(maps: &[&[(u8, u16)]]) -> Vec<Route> {
        let mut seen = Maps::default();
        seen.see(0, &packet(0, &with_length(&[0], &[0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0])));
        for (map, at) in maps.iter().zip((1..).map(|n| n * 188)) {
            seen.see(at, &map_of(map));
        }
        seen.routes()
    }

    #[test]
    fn streams_stay_where_they_began() {
        let (began, moved) = ([(0x1b, 0x100), (0x0f, 0x101)], [(0x1b, 0x200), (0x0f, 0x201)]);
        assert_eq!(routes(&[&began, &began]), []);
        let away = vec![(0x200, 0x100), (0x201, 0x101), (0x1000, NULL)];
        let expected = [Route { from: 564, pids: away }, Route { from: 752, pids: vec![] }];
        assert_eq!(routes(&[&began, &began, &moved, &began]), expected);
    }

    #[test]
    fn what_is_another_thing_takes_no_ones_place() {
        let began = [(0x1b, 0x100), (0x0f, 0x101)];
        let swapped = routes(&[&began, &[(0x0f, 0x100), (0x1b, 0x101)]]);
        assert_eq!(swapped[0].pids, [(0x100, 0x101), (0x101, 0x100), (0x1000, NULL)]);
        let other = routes(&[&began, &[(0x24, 0x100), (0x0f, 0x200), (0x81, 0x300)]]);
        assert_eq!(other[0].pids, [(0x100, NULL), (0x200, 0x101)]);
        assert_eq!(routes(&[&began[1..], &began]), [], "the first map may not be whole yet");
    }
}
