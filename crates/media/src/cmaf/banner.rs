//! Takes the encoder's visiting card out of coded pictures.
//!
//! x264 and x265 write their name, version and all settings into an SEI message of user data. It
//! would make the bytes differ between builds and numbers of threads.

use super::nal::{Malformed, NalUnits, escaped, messages, unescaped};

/// `uuid_iso_iec_11578` of x264's banner (x264, encoder/set.c).
const X264: [u8; 16] = [0xdc, 0x45, 0xe9, 0xbd, 0xe6, 0xd9, 0x48, 0xb7, 0x96, 0x2c, 0xd8, 0x20, 0xd9, 0x23, 0xee, 0xef];
/// Of x265's (x265, encoder/sei.h).
const X265: [u8; 16] = [0x2c, 0xa2, 0xde, 0x09, 0xb5, 0x17, 0x47, 0xdb, 0xbb, 0x55, 0xa4, 0xfe, 0x7f, 0xc2, 0xfc, 0x4e];
/// `user_data_unregistered` (ITU-T H.264 D.1.7).
const USER_DATA: usize = 5;

impl NalUnits {
    /// Takes banners and repeated parameter sets out of the sample that is the end of `bytes`, from `start`.
    /// SEI messages beside them stay; so does every byte of a sample without any.
    pub(super) fn strip(self, bytes: &mut Vec<u8>, start: usize) -> Result<(), Malformed> {
        let sample = bytes.get(start..).ok_or(Malformed)?;
        let mut kept: Option<Vec<u8>> = None;
        let mut done = 0;
        for unit in self.of(sample) {
            let unit = unit?;
            let before = sample.get(..done).unwrap_or_default();
            done += unit.whole.len();
            let header = self.sei_header(unit.nal).filter(|_| has_banner(unit.nal));
            match (header, &mut kept) {
                _ if self.is_repeated(unit.nal) => {
                    kept.get_or_insert_with(|| before.to_vec());
                }
                (Some(header), kept) => {
                    let kept = kept.get_or_insert_with(|| before.to_vec());
                    self.append(kept, without_banner(unit.nal, header)?);
                }
                (None, Some(kept)) => kept.extend_from_slice(unit.whole),
                (None, None) => {}
            }
        }
        // A sample must not be empty.
        if let Some(kept) = kept.filter(|kept| !kept.is_empty()) {
            bytes.truncate(start);
            bytes.extend_from_slice(&kept);
        }
        Ok(())
    }

    /// Parameter sets of H.265 (ISO/IEC 23008-2 table 7-1: VPS, SPS, PPS). They stand in the sample entry, and
    /// `hvc1` has them there only (ISO/IEC 14496-15 8.3.3.1.2); x265 repeats them with HDR10 metadata.
    fn is_repeated(self, nal: &[u8]) -> bool {
        self.hevc && nal.first().is_some_and(|first| matches!(first >> 1 & 0x3f, 32..=34))
    }

    /// Appends a NAL unit. It is no longer than one that was there, so its length fits.
    fn append(self, to: &mut Vec<u8>, nal: Option<Vec<u8>>) {
        if let Some(nal) = nal {
            let length = (nal.len() as u32).to_be_bytes();
            to.extend(length.iter().skip(4 - self.length));
            to.extend(nal);
        }
    }
}

/// Neither identifier has zeros, so emulation prevention leaves them as they are.
fn has_banner(nal: &[u8]) -> bool {
    nal.windows(16).any(|window| window == X264 || window == X265)
}

/// An SEI without its banners; `None` when nothing is left (ITU-T H.264 7.3.2.3.1).
fn without_banner(nal: &[u8], header: usize) -> Result<Option<Vec<u8>>, Malformed> {
    let (header, sei) = nal.split_at_checked(header).ok_or(Malformed)?;
    let sei = unescaped(sei);
    let mut kept = Vec::new();
    for message in messages(&sei)? {
        let banner = message.payload.starts_with(&X264) || message.payload.starts_with(&X265);
        if !(message.kind == USER_DATA && banner) {
            kept.extend_from_slice(message.whole);
        }
    }
    if kept.is_empty() {
        return Ok(None);
    }
    kept.push(0x80);
    Ok(Some([header, &escaped(&kept)].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVC: NalUnits = NalUnits { length: 4, hevc: false };

    fn nal(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes()[..], body].concat()
    }

    fn banner(uuid: [u8; 16]) -> Vec<u8> {
        let text = [b'x'; 300];
        [&[5, 255, 61][..], &uuid, &text].concat()
    }

    fn stripped(units: NalUnits, sample: &[u8]) -> Vec<u8> {
        let mut bytes = [b"before", sample].concat();
        units.strip(&mut bytes, 6).unwrap();
        assert!(bytes.starts_with(b"before"));
        bytes.split_off(6)
    }

    #[test]
    fn the_banner_goes_and_the_picture_stays() {
        let picture = nal(&[0x65, 1, 2, 3]);
        let sei = nal(&[&[6][..], &banner(X264), &[0x80]].concat());
        assert_eq!(stripped(AVC, &[sei, picture.clone()].concat()), picture);
        let sei = nal(&[&[39 << 1, 1][..], &banner(X265), &[0x80]].concat());
        let hevc = NalUnits { hevc: true, ..AVC };
        assert_eq!(stripped(hevc, &[sei, picture.clone()].concat()), picture);
    }

    #[test]
    fn messages_beside_the_banner_stay_with_their_emulation_prevention() {
        // Two zeros and a 1 in the payload, so an emulation prevention byte between them.
        let captions = [4, 5, 0xb5, 0, 0, 3, 1, 7];
        let sei = [&[6][..], &captions, &banner(X264), &captions, &[0x80]].concat();
        let left = [&[6][..], &captions, &captions, &[0x80]].concat();
        let picture = nal(&[0x65, 1]);
        let sample = [picture.clone(), nal(&sei), picture.clone()].concat();
        assert_eq!(stripped(AVC, &sample), [picture.clone(), nal(&left), picture].concat());
    }

    #[test]
    fn other_user_data_is_left_alone() {
        let sei = nal(&[&[6][..], &banner([7; 16]), &[0x80]].concat());
        assert_eq!(stripped(AVC, &sei), sei);
    }

    #[test]
    fn lengths_that_do_not_fit_are_errors() {
        for sample in [&[0, 0, 0, 2, 5][..], &[0, 0, 0], &[255, 255, 255, 255, 1]] {
            assert_eq!(AVC.strip(&mut sample.to_vec(), 0), Err(Malformed));
        }
        let mut short = nal(&[&[6, 5, 255, 255][..], &X264].concat());
        assert_eq!(AVC.strip(&mut short, 0), Err(Malformed));
    }
}
