//! Transport streams (ISO/IEC 13818-1) served with another clock, and with streams that stay where they are.
//!
//! A recorder that was stopped, or a broadcast that switched, leaves a stream whose clock begins anew somewhere. What
//! reads it with the times of the file (`-copyts`) can't follow. So the stream is served with a clock that runs on:
//! to every PTS, DTS and PCR from a place on a number is added. The place of a packet and its own time alone say which
//! number, so any part of the stream can be served by itself, and is as long as it was.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::time::Timescale;

mod maps;

pub use maps::{Maps, Route};

/// Bytes of a packet (2.4.3.2).
const PACKET: usize = 188;
/// Sizes of what files have in the place of a packet: with a time before it (BDAV), or with a checksum behind it.
const SIZES: [u64; 3] = [188, 192, 204];
/// Bytes of a file's start that show how packets lie in it.
pub const START: u64 = 4 << 10;
const SYNC: u8 = 0x47;
/// Ticks until PTS, DTS and the base of the PCR wrap: 33 bits.
const WRAP: i64 = 1 << 33;
/// Bytes by which reports of a packet's place may be off.
const MARGIN: u64 = 4 << 10;

/// A place from which on the clock is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    /// Where the first packet on the new clock lies, in ffmpeg's words: what goes with it is before it.
    pub from: u64,
    /// Where the last one on the old clock lies: up to there, a packet's own time decides.
    pub until: u64,
    /// The time of the splice on the clock that is served, ticks.
    pub at: i64,
    /// What is added to the new clock, ticks.
    pub add: i64,
}

impl Splice {
    /// Ticks of PTS and DTS (2.4.3.7).
    pub const CLOCK: Timescale = Timescale(90_000);

    /// The shortest way round the clock.
    pub fn nearest(ticks: i64) -> i64 {
        (ticks + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
    }
}

/// How packets lie in a file, and what is added to their clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retimed {
    size: u64,
    phase: u64,
    splices: Vec<Splice>,
    routes: Vec<Route>,
}

impl Retimed {
    /// `start` are the first bytes of the file; `None` where no packets are seen in them. Splices and routes are in the
    /// file's order.
    pub fn new(start: &[u8], splices: Vec<Splice>, routes: Vec<Route>) -> Option<Self> {
        let synced = |size: u64, phase: u64| (0..5).all(|n| start.get((phase + n * size) as usize) == Some(&SYNC));
        let (phase, size) = SIZES
            .into_iter()
            .flat_map(|size| (0..size).map(move |phase| (phase, size)))
            .find(|(phase, size)| synced(*size, *phase))?;
        Some(Retimed { size, phase, splices, routes })
    }

    /// The bytes that have to be seen together for any of them: a packet with what goes with it. Behind a splice packets
    /// lie as its first one does.
    pub fn unit(&self, at: u64) -> Range<u64> {
        let first = |splice: &Splice| splice.from + self.size - PACKET as u64;
        let n = self.splices.partition_point(|splice| first(splice) <= at);
        let begin = n.checked_sub(1).and_then(|n| self.splices.get(n)).map(first);
        let phase = begin.unwrap_or(self.phase) % self.size;
        let start = at.saturating_sub((at % self.size + self.size - phase) % self.size);
        let end = at + self.size - (at % self.size + self.size - phase) % self.size;
        let limit = self.splices.get(n).map_or(end, first);
        start.max(begin.unwrap_or(0))..end.min(limit)
    }

    /// Gives the packet in a unit that lies `at` a place its times and its PID.
    pub fn serve(&self, at: u64, unit: &mut [u8]) {
        self.reroute(at, unit);
        self.retime(at, unit);
    }

    fn reroute(&self, at: u64, unit: &mut [u8]) {
        let n = self.routes.partition_point(|route| route.from <= at);
        let route = n.checked_sub(1).and_then(|n| self.routes.get(n));
        let (Some(route), [SYNC, high, low, ..]) = (route, unit) else { return };
        let pid = u16::from(*high & 0x1f) << 8 | u16::from(*low);
        if let Some((_, to)) = route.pids.iter().find(|(from, _)| *from == pid) {
            (*high, *low) = (*high & 0xe0 | (to >> 8) as u8, *to as u8);
        }
    }

    fn retime(&self, at: u64, unit: &mut [u8]) {
        let n = self.splices.partition_point(|splice| splice.from <= at + MARGIN);
        let Some((splice, before)) = n.checked_sub(1).and_then(|n| self.splices.get(..=n)?.split_last()) else {
            return;
        };
        let old = before.last().map_or(0, |splice| splice.add);
        let add = |ticks: i64| {
            let off = |add: i64| Splice::nearest(ticks + add - splice.at).abs();
            let is_old = at <= splice.until + MARGIN && off(old) < off(splice.add);
            (ticks + if is_old { old } else { splice.add }).rem_euclid(WRAP)
        };
        if let Some(packet) = unit.get_mut(..PACKET).filter(|packet| packet.first() == Some(&SYNC)) {
            shift(packet, add);
        }
    }
}

/// Changes the PCR and the PTS and DTS of a packet.
fn shift(packet: &mut [u8], add: impl Fn(i64) -> i64) {
    let [_, flags, _, control, length, adaptation, ..] = *packet else { return };
    let mut payload = 4;
    if control & 0x20 != 0 {
        payload += 1 + usize::from(length);
        // PCR_flag (2.4.3.4): 33 bits, 6 reserved, 9 of the extension.
        if length >= 7 && adaptation & 0x10 != 0 {
            let base = packet[6..10].iter().fold(0, |base, byte| base << 8 | i64::from(*byte)) << 1
                | i64::from(packet[10] >> 7);
            let base = add(base);
            packet[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
            packet[10] = packet[10] & 0x7f | (base as u8) << 7;
        }
    }
    // transport_scrambling_control, a payload, payload_unit_start_indicator.
    if control & 0xc0 != 0 || control & 0x10 == 0 || flags & 0x40 == 0 {
        return;
    }
    let Some(pes @ [0, 0, 1, ..]) = packet.get_mut(payload..) else { return };
    // PTS_DTS_flags (2.4.3.6); streams without this header have no marker `10`.
    let stamps = match pes.get(6..8) {
        Some([marker, flags]) if marker >> 6 == 2 => [usize::from(flags >> 7), usize::from(flags >> 6 & 1)],
        _ => [0, 0],
    };
    for (n, _) in stamps.iter().enumerate().filter(|(_, there)| **there == 1) {
        if let Some(stamp) = pes.get_mut(9 + 5 * n..14 + 5 * n) {
            restamp(stamp, &add);
        }
    }
}

/// Five bytes: four bits that say which it is, then 3, 15 and 15 bits with a marker behind each.
fn restamp(stamp: &mut [u8], add: impl Fn(i64) -> i64) {
    let [a, b, c, d, e] = *stamp else { return };
    let [high, middle, low] =
        [i64::from(a >> 1 & 7), i64::from(b) << 7 | i64::from(c >> 1), i64::from(d) << 7 | i64::from(e >> 1)];
    let ticks = add(high << 30 | middle << 15 | low);
    let new = [
        a & 0xf1 | (ticks >> 29) as u8 & 0x0e,
        (ticks >> 22) as u8,
        (ticks >> 14) as u8 | 1,
        (ticks >> 7) as u8,
        (ticks << 1) as u8 | 1,
    ];
    stamp.copy_from_slice(&new);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet with a PCR, a PTS and a DTS.
    fn packet(ticks: i64) -> [u8; PACKET] {
        let mut packet = [0xff; PACKET];
        packet[..12].copy_from_slice(&[SYNC, 0x41, 0, 0x30, 7, 0x10, 0, 0, 0, 0, 0x7e, 0]);
        packet[12..26].copy_from_slice(&[0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10, 0x31, 0, 1, 0, 1]);
        packet[26..31].copy_from_slice(&[0x11, 0, 1, 0, 1]);
        shift(&mut packet, |_| ticks);
        packet
    }

    fn times(packet: &[u8]) -> Vec<i64> {
        let seen = std::cell::RefCell::new(vec![]);
        let see = |ticks| {
            seen.borrow_mut().push(ticks);
            ticks
        };
        shift(&mut packet.to_vec(), see);
        seen.into_inner()
    }

    #[test]
    fn every_clock_of_a_packet_is_changed_and_nothing_else() {
        let before = packet(0x1_2345_6789);
        assert_eq!(times(&before), [0x1_2345_6789; 3]);
        let mut after = before;
        shift(&mut after, |ticks| (ticks + 900_000).rem_euclid(WRAP));
        assert_eq!(times(&after), [0x1_2345_6789 + 900_000; 3]);
        shift(&mut after, |ticks| ticks - 900_000);
        assert_eq!(after, before);
        let mut scrambled = before;
        scrambled[3] |= 0x80;
        assert_eq!(times(&scrambled).len(), 1, "the PCR is not scrambled");
    }

    #[test]
    fn between_the_clocks_a_time_says_which_it_is() {
        // Packets of 1 s; the clock begins anew with the fourth, and one of the old clock is behind that.
        let clocks = [10, 11, 12, 1, 13, 2, 3, 4];
        let splice = Splice { from: 3 * 188, until: 4 * 188, at: 13 * 90_000, add: 12 * 90_000 };
        let file: Vec<u8> = clocks.iter().flat_map(|seconds| packet(seconds * 90_000)).collect();
        let retimed = Retimed::new(&file, vec![splice], vec![]).unwrap();
        let mut served = file.clone();
        let mut at = 0;
        while at < file.len() as u64 {
            let unit = retimed.unit(at);
            assert!(unit.clone().all(|byte| retimed.unit(byte) == unit));
            retimed.retime(at, &mut served[unit.start as usize..unit.end as usize]);
            at = unit.end;
        }
        let seconds: Vec<i64> = served.chunks(PACKET).map(|packet| times(packet)[1] / 90_000).collect();
        assert_eq!(seconds, [10, 11, 12, 13, 13, 14, 15, 16]);
    }

    #[test]
    fn packets_are_found_with_what_goes_with_them() {
        let plain: Vec<u8> = (0..8).flat_map(packet).collect();
        let timed: Vec<u8> = plain.chunks(PACKET).flat_map(|packet| [&[0; 4], packet].concat()).collect();
        let checked: Vec<u8> = plain.chunks(PACKET).flat_map(|packet| [packet, &[0; 16]].concat()).collect();
        let found = [&plain, &timed, &checked].map(|file| {
            let retimed = Retimed::new(file, vec![], vec![]).unwrap();
            (retimed.size, retimed.phase, retimed.unit(0), retimed.unit(500))
        });
        assert_eq!(found[0], (188, 0, 0..188, 376..564));
        assert_eq!(found[1], (192, 4, 0..4, 388..580));
        assert_eq!(found[2], (204, 0, 0..204, 408..612));
        // Behind a cut packet others lie elsewhere.
        let cut = Splice { from: 777, until: 777, at: 0, add: 1 };
        let retimed = Retimed::new(&plain, vec![cut], vec![]).unwrap();
        assert_eq!([retimed.unit(770), retimed.unit(777), retimed.unit(1000)], [752..777, 777..965, 965..1153]);
        assert_eq!(Retimed::new(&[0; 4000], vec![], vec![]), None);
    }

    #[test]
    fn packets_are_served_on_another_pid_from_a_place_on() {
        let file: Vec<u8> = (0..8).flat_map(packet).collect();
        let route = Route { from: 3 * 188, pids: vec![(0x100, 0x1234)] };
        let retimed = Retimed::new(&file, vec![], vec![route, Route { from: 4 * 188, pids: vec![] }]).unwrap();
        let pids = (0..5).map(|n| {
            let mut unit = packet(n);
            retimed.serve(n as u64 * 188, &mut unit);
            (unit[1] & 0xe0, u16::from(unit[1] & 0x1f) << 8 | u16::from(unit[2]))
        });
        assert_eq!(pids.collect::<Vec<_>>(), [0x100, 0x100, 0x100, 0x1234, 0x100].map(|pid| (0x40, pid)));
    }
}
