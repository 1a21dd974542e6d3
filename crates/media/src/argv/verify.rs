//! Decoding what was made, to see that it decodes.

use std::path::Path;

use super::{Command, Program};

/// Decodes a fragmented file of one track to nothing; complaints go to the log.
pub fn decode(path: &Path) -> Command {
    let mut command = Command::new(Program::Ffmpeg);
    command.option("protocol_whitelist", "file").option("f", "mov").option("i", path.display());
    command.option("map", "0:0").option("fps_mode", "passthrough").option("f", "null").push(["-"]);
    command
}
