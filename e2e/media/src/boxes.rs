//! A reader of MP4 boxes (ISO/IEC 14496-12) of the test's own: fragments and progressive files to
//! samples with their times. It reads what is in the file and repairs nothing.

use std::{collections::BTreeMap, ops::Range};

use anyhow::{Context, Result, ensure};

/// An access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Decode time, ticks.
    pub decode: i64,
    /// Composition time before the edit list, ticks.
    pub composition: i64,
    /// Ticks.
    pub duration: i64,
    /// Random access point, by its flags or `stss`.
    pub sync: bool,
    /// Where its bytes are.
    pub bytes: Range<usize>,
    /// Which segment it lies in, from 0: each begins with `styp`.
    pub segment: usize,
    /// Start of its fragment, byte of `moof`.
    pub fragment: usize,
    /// Its pre-roll by sample groups, samples.
    pub roll: Option<i16>,
}

/// A track.
#[derive(Debug, Clone)]
pub struct Track {
    /// `vide` or `soun`.
    pub handler: [u8; 4],
    /// Ticks per second.
    pub timescale: i64,
    /// `media_time` of the first edit that shows media, 0 without an edit list.
    pub media_time: i64,
    /// Empty edits before it, ticks of the movie and how many of them a second has.
    pub empty: (i64, i64),
    /// Type of the sample entry, `avc1`.
    pub entry: [u8; 4],
    /// Content of the sample entry.
    pub description: Range<usize>,
    /// In the file's order.
    pub samples: Vec<Sample>,
    defaults: Defaults,
    /// Pre-rolls that `sgpd` in `moov` describes.
    rolls: Vec<i16>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

impl Track {
    /// Whether it has pictures.
    pub fn is_video(&self) -> bool {
        &self.handler == b"vide"
    }

    /// `tfdt + cts - elst` of every sample, ticks, in presentation order. Empty edits are whole ticks.
    pub fn presented(&self) -> Vec<i64> {
        let shift = self.empty.0 * self.timescale / self.empty.1 - self.media_time;
        let mut times: Vec<i64> = self.samples.iter().map(|s| s.composition + shift).collect();
        times.sort_unstable();
        times
    }
}

/// Content of the first box on a path.
pub fn find(bytes: &[u8], path: &[&[u8; 4]]) -> Option<Range<usize>> {
    path.iter().try_fold(0..bytes.len(), |within, kind| {
        children(bytes, within).into_iter().find(|(k, _, _)| k == *kind).map(|b| b.2)
    })
}

/// Boxes one after another: type, the whole box, its content.
fn children(bytes: &[u8], within: Range<usize>) -> Vec<([u8; 4], Range<usize>, Range<usize>)> {
    let mut found = vec![];
    let mut at = within.start;
    while at + 8 <= within.end {
        let (size, head) = match u32_at(bytes, at) {
            0 => (within.end - at, 8),
            1 if at + 16 <= within.end => (u64_at(bytes, at + 8) as usize, 16),
            size => (size as usize, 8),
        };
        if size < head || at + size > within.end {
            break;
        }
        let kind = [bytes[at + 4], bytes[at + 5], bytes[at + 6], bytes[at + 7]];
        found.push((kind, at..at + size, at + head..at + size));
        at += size;
    }
    found
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) << 32 | u64::from(u32_at(bytes, at + 4))
}

/// Numbers one after another.
struct Numbers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Numbers<'_> {
    fn next(&mut self) -> u32 {
        self.at += 4;
        u32_at(self.bytes, self.at - 4)
    }

    /// 64 bits in version 1, 32 before.
    fn long(&mut self, version: u8) -> i64 {
        match version {
            0 => i64::from(self.next()),
            _ => (i64::from(self.next()) << 32) | i64::from(self.next()),
        }
    }
}

/// Version, flags, and the numbers after them.
fn full<'a>(bytes: &'a [u8], content: &Range<usize>) -> (u8, u32, Numbers<'a>) {
    let word = u32_at(bytes, content.start);
    ((word >> 24) as u8, word & 0x00ff_ffff, Numbers { bytes, at: content.start + 4 })
}

/// Tracks of a file, or of an init segment with media segments after it, by track number.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<u32, Track>> {
    let top = children(bytes, 0..bytes.len());
    let last = top.last().map_or(0, |b| b.1.end);
    ensure!(last == bytes.len(), "{} bytes after the last box", bytes.len() - last);
    let moov = top.iter().find(|b| &b.0 == b"moov").context("no moov box")?.2.clone();
    let mut tracks = BTreeMap::new();
    let inside = children(bytes, moov);
    let movie_scale = inside.iter().find(|b| &b.0 == b"mvhd").map_or(1, |b| movie_timescale(bytes, &b.2));
    for (_, _, trak) in inside.iter().filter(|b| &b.0 == b"trak") {
        let (number, track) = read_track(bytes, trak, movie_scale)?;
        tracks.insert(number, track);
    }
    for (_, _, mvex) in inside.iter().filter(|b| &b.0 == b"mvex") {
        for (_, _, trex) in children(bytes, mvex.clone()).iter().filter(|b| &b.0 == b"trex") {
            let (_, _, mut n) = full(bytes, trex);
            let track = tracks.get_mut(&n.next()).context("trex of no track")?;
            n.next();
            track.defaults = Defaults { duration: n.next(), size: n.next(), flags: n.next() };
        }
    }
    let mut begun = 0_usize;
    for (kind, whole, content) in &top {
        begun += usize::from(kind == b"styp");
        let inside = if kind == b"moof" { children(bytes, content.clone()) } else { vec![] };
        for (_, _, traf) in inside.iter().filter(|b| &b.0 == b"traf") {
            read_fragment(bytes, traf, whole.start, begun.saturating_sub(1), &mut tracks)?;
        }
    }
    for sample in tracks.values().flat_map(|t: &Track| &t.samples) {
        ensure!(sample.bytes.end <= bytes.len(), "a sample lies beyond the end of the file");
    }
    Ok(tracks)
}

fn movie_timescale(bytes: &[u8], mvhd: &Range<usize>) -> u32 {
    let (version, _, mut n) = full(bytes, mvhd);
    n.long(version);
    n.long(version);
    n.next()
}

fn read_track(bytes: &[u8], trak: &Range<usize>, movie_scale: u32) -> Result<(u32, Track)> {
    let part = |path: &[&[u8; 4]]| {
        path.iter()
            .try_fold(trak.clone(), |within, kind| {
                children(bytes, within).into_iter().find(|(k, _, _)| k == *kind).map(|b| b.2)
            })
            .with_context(|| format!("no box {}", String::from_utf8_lossy(path[path.len() - 1])))
    };
    let (version, _, mut n) = full(bytes, &part(&[b"tkhd"])?);
    n.long(version);
    n.long(version);
    let number = n.next();
    let (version, _, mut n) = full(bytes, &part(&[b"mdia", b"mdhd"])?);
    n.long(version);
    n.long(version);
    let timescale = i64::from(n.next());
    let hdlr = part(&[b"mdia", b"hdlr"])?;
    let stsd = part(&[b"mdia", b"minf", b"stbl", b"stsd"])?;
    let entries = children(bytes, stsd.start + 8..stsd.end);
    ensure!(entries.len() == 1, "{} sample entries", entries.len());
    let (entry, _, description) = entries[0].clone();
    let mut track = Track {
        handler: [bytes[hdlr.start + 8], bytes[hdlr.start + 9], bytes[hdlr.start + 10], bytes[hdlr.start + 11]],
        timescale,
        media_time: 0,
        empty: (0, i64::from(movie_scale)),
        entry,
        description,
        samples: vec![],
        defaults: Defaults::default(),
        rolls: vec![],
    };
    if let Ok(elst) = part(&[b"edts", b"elst"]) {
        let (version, _, mut n) = full(bytes, &elst);
        for _ in 0..n.next() {
            let duration = n.long(version);
            let media_time = if version == 0 { i64::from(n.next() as i32) } else { n.long(version) };
            ensure!(n.next() == 0x0001_0000, "an edit changes the speed");
            match media_time {
                -1 => track.empty.0 += duration,
                time => {
                    track.media_time = time;
                    break;
                }
            }
        }
    }
    let stbl = part(&[b"mdia", b"minf", b"stbl"])?;
    track.samples = read_table(bytes, stbl.clone())?;
    let boxes = children(bytes, stbl);
    track.rolls = described(bytes, &boxes);
    roll(bytes, &boxes, &track.rolls, &mut track.samples)?;
    Ok((number, track))
}

/// Samples of a progressive file.
fn read_table(bytes: &[u8], stbl: Range<usize>) -> Result<Vec<Sample>> {
    let boxes = children(bytes, stbl);
    let numbers = |kind: &[u8; 4]| boxes.iter().find(|b| &b.0 == kind).map(|b| full(bytes, &b.2).2);
    let Some(mut stsz) = numbers(b"stsz") else { return Ok(vec![]) };
    let same = stsz.next();
    let count = stsz.next() as usize;
    let sizes: Vec<usize> = (0..count).map(|_| if same > 0 { same } else { stsz.next() } as usize).collect();
    let mut durations = vec![];
    if let Some(mut n) = numbers(b"stts") {
        for _ in 0..n.next() {
            let (run, duration) = (n.next() as usize, i64::from(n.next()));
            durations.extend(std::iter::repeat_n(duration, run));
        }
    }
    let mut offsets = vec![];
    if let Some(mut n) = numbers(b"ctts") {
        for _ in 0..n.next() {
            let (run, offset) = (n.next() as usize, i64::from(n.next() as i32));
            offsets.extend(std::iter::repeat_n(offset, run));
        }
    }
    let syncs = numbers(b"stss").map(|mut n| (0..n.next()).map(|_| n.next() as usize).collect::<Vec<_>>());
    let places = read_chunks(&numbers, &sizes)?;
    ensure!(durations.len() == count, "stts has {} samples, stsz {count}", durations.len());
    ensure!(offsets.is_empty() || offsets.len() == count, "ctts has {} samples, stsz {count}", offsets.len());
    let mut decode = 0;
    let samples = places.into_iter().enumerate().map(|(n, bytes)| {
        let sample = Sample {
            decode,
            composition: decode + offsets.get(n).copied().unwrap_or(0),
            duration: durations[n],
            sync: syncs.as_ref().is_none_or(|s| s.contains(&(n + 1))),
            bytes,
            segment: 0,
            fragment: 0,
            roll: None,
        };
        decode += durations[n];
        sample
    });
    Ok(samples.collect())
}

/// Places of samples from `stsc` and `stco` or `co64`.
fn read_chunks<'a>(numbers: &impl Fn(&[u8; 4]) -> Option<Numbers<'a>>, sizes: &[usize]) -> Result<Vec<Range<usize>>> {
    let mut chunks: Vec<usize> = vec![];
    if let Some(mut n) = numbers(b"stco") {
        chunks.extend((0..n.next()).map(|_| n.next() as usize));
    } else if let Some(mut n) = numbers(b"co64") {
        chunks.extend((0..n.next()).map(|_| n.long(1) as usize));
    }
    let mut runs = vec![];
    if let Some(mut n) = numbers(b"stsc") {
        runs.extend((0..n.next()).map(|_| (n.next() as usize, n.next() as usize, n.next())));
    }
    let mut places = vec![];
    for (chunk, start) in chunks.into_iter().enumerate() {
        let run = runs.iter().rev().find(|(first, _, _)| *first <= chunk + 1).context("a chunk without samples")?;
        let mut at = start;
        for size in sizes.iter().skip(places.len()).take(run.1).copied().collect::<Vec<_>>() {
            places.push(at..at + size);
            at += size;
        }
    }
    ensure!(places.len() == sizes.len(), "chunks have {} samples, stsz {}", places.len(), sizes.len());
    Ok(places)
}

/// Samples of a track fragment.
fn read_fragment(
    bytes: &[u8],
    traf: &Range<usize>,
    moof: usize,
    segment: usize,
    tracks: &mut BTreeMap<u32, Track>,
) -> Result<()> {
    let boxes = children(bytes, traf.clone());
    let of = |kind: &[u8; 4]| boxes.iter().find(|b| &b.0 == kind).map(|b| full(bytes, &b.2));
    let (_, flags, mut n) = of(b"tfhd").context("no tfhd")?;
    let track = tracks.get_mut(&n.next()).context("a fragment of no track")?;
    ensure!(flags & 0x1 == 0 && flags & 0x2_0000 != 0, "default-base-is-moof is not set");
    let mut defaults = track.defaults;
    let mut set = |flag: u32, value: &mut u32| {
        if flags & flag != 0 {
            *value = n.next();
        }
    };
    set(0x2, &mut 0);
    set(0x8, &mut defaults.duration);
    set(0x10, &mut defaults.size);
    set(0x20, &mut defaults.flags);
    let (version, _, mut n) = of(b"tfdt").context("no tfdt")?;
    let mut decode = n.long(version);
    for (_, _, trun) in boxes.iter().filter(|b| &b.0 == b"trun") {
        let (version, flags, mut n) = full(bytes, trun);
        let count = n.next();
        ensure!(flags & 0x1 != 0, "a trun without data offset");
        let mut at = (moof as i64 + i64::from(n.next() as i32)) as usize;
        let first_flags = if flags & 0x4 != 0 { Some(n.next()) } else { None };
        for place in 0..count {
            let mut value = |flag: u32, default: u32| if flags & flag != 0 { n.next() } else { default };
            let (duration, size) = (i64::from(value(0x100, defaults.duration)), value(0x200, defaults.size) as usize);
            let own = value(0x400, first_flags.filter(|_| place == 0).unwrap_or(defaults.flags));
            let offset = value(0x800, 0);
            let offset = if version == 0 { i64::from(offset) } else { i64::from(offset as i32) };
            // sample_is_non_sync_sample
            let sync = own & 0x1_0000 == 0;
            track.samples.push(Sample {
                decode,
                composition: decode + offset,
                duration,
                sync,
                bytes: at..at + size,
                segment,
                fragment: moof,
                roll: None,
            });
            decode += duration;
            at += size;
        }
    }
    let first = track.samples.iter().position(|s| s.fragment == moof).unwrap_or(track.samples.len());
    roll(bytes, &boxes, &track.rolls, &mut track.samples[first..])
}

type Boxes = [([u8; 4], Range<usize>, Range<usize>)];

/// `sgpd` of version 1 for `roll`: grouping type, length and number of the entries, and the entries.
fn described(bytes: &[u8], boxes: &Boxes) -> Vec<i16> {
    let sgpd = boxes.iter().filter(|b| &b.0 == b"sgpd").find(|b| &bytes[b.2.start + 4..b.2.start + 8] == b"roll");
    let Some((_, _, content)) = sgpd else { return vec![] };
    let (_, _, mut n) = full(bytes, content);
    let (_, length, count) = (n.next(), n.next() as usize, n.next() as usize);
    let entry = |at: usize| i16::from_be_bytes([bytes[n.at + at * length], bytes[n.at + at * length + 1]]);
    (0..count).map(entry).collect()
}

/// Gives samples their pre-roll by `sbgp`; an index counts from 1 in what `moov` describes.
fn roll(bytes: &[u8], boxes: &Boxes, known: &[i16], samples: &mut [Sample]) -> Result<()> {
    let sbgp = boxes.iter().filter(|b| &b.0 == b"sbgp").find(|b| &bytes[b.2.start + 4..b.2.start + 8] == b"roll");
    let Some((_, _, content)) = sbgp else { return Ok(()) };
    let (_, _, mut n) = full(bytes, content);
    n.next();
    let mut at = 0;
    for _ in 0..n.next() {
        let (count, index) = (n.next() as usize, n.next() as usize);
        let run = samples.get_mut(at..at + count).context("sbgp has more samples than there are")?;
        ensure!(index <= known.len(), "sbgp names description {index} of {}", known.len());
        run.iter_mut().for_each(|s| s.roll = index.checked_sub(1).map(|place| known[place]));
        at += count;
    }
    Ok(())
}
