//! ffmpeg's colour names as code points (ISO/IEC 23091-2, tables 2, 3 and 4).

use crate::{cmaf::init, probe::Colour};

/// "Unspecified" in all three tables.
const UNSPECIFIED: u16 = 2;

const PRIMARIES: [(&str, u16); 10] = [
    ("bt709", 1),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("film", 8),
    ("bt2020", 9),
    ("smpte428", 10),
    ("smpte431", 11),
    ("smpte432", 12),
];
const TRANSFERS: [(&str, u16); 17] = [
    ("bt709", 1),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("linear", 8),
    ("log100", 9),
    ("log316", 10),
    ("iec61966-2-4", 11),
    ("bt1361e", 12),
    ("iec61966-2-1", 13),
    ("bt2020-10", 14),
    ("bt2020-12", 15),
    ("smpte2084", 16),
    ("smpte428", 17),
    ("arib-std-b67", 18),
    ("gamma22", 4),
];
const MATRICES: [(&str, u16); 9] = [
    ("gbr", 0),
    ("bt709", 1),
    ("fcc", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("ycgco", 8),
    ("bt2020nc", 9),
    ("bt2020c", 10),
];

/// The code points, or `None` when nothing is known of the colour.
pub fn codes(colour: &Colour) -> Option<init::Colour> {
    let code = |table: &[(&str, u16)], name: &Option<String>| {
        let name = name.as_deref()?;
        table.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
    };
    let found =
        [code(&PRIMARIES, &colour.primaries), code(&TRANSFERS, &colour.transfer), code(&MATRICES, &colour.matrix)];
    let known = found.iter().any(Option::is_some) || colour.full_range;
    let [primaries, transfer, matrix] = found.map(|c| c.unwrap_or(UNSPECIFIED));
    known.then_some(init::Colour { primaries, transfer, matrix, full_range: colour.full_range })
}
