//! Relative references between files of one output (RFC 3986 4.2).

use std::fmt::Write;

/// The reference that leads from one file to another, percent-encoded.
///
/// Both paths are relative to the output prefix, with `/`. Everything but the unreserved characters
/// of RFC 3986 2.3 is encoded, so the result also stands in an HLS quoted string and in a DASH
/// template (`$` becomes `%24`), and a name with `:` is not taken for a scheme.
///
/// ```
/// use transcode_media::playlist::relative_uri;
/// assert_eq!(relative_uri("a/v.m3u8", "a/segments/1.m4s"), "segments/1.m4s");
/// assert_eq!(relative_uri("a/b/v.m3u8", "a/c d/1.m4s"), "../c%20d/1.m4s");
/// ```
pub fn relative_uri(from_file: &str, to_file: &str) -> String {
    let (folder, name) = split(to_file);
    format!("{}{}", relative_folder(from_file, folder), encoded(name))
}

/// The reference to a folder: empty, or ending in `/`.
pub(super) fn relative_folder(from_file: &str, to_folder: &str) -> String {
    let from: Vec<&str> = parts(split(from_file).0).collect();
    let to: Vec<&str> = parts(to_folder).collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut uri = "../".repeat(from.len() - common);
    for part in &to[common..] {
        uri.push_str(&encoded(part));
        uri.push('/');
    }
    uri
}

/// Folder (without the last `/`) and name of a file.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn parts(folder: &str) -> impl Iterator<Item = &str> {
    folder.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Percent-encoding of one path segment.
pub(super) fn encoded(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            // Writing to a String can't fail.
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_relative_to_the_folder_of_the_file() {
        for (from, to, uri) in [
            ("master.m3u8", "outputs/k1/720p/v.m3u8", "outputs/k1/720p/v.m3u8"),
            ("outputs/k1/720p/v.m3u8", "outputs/k1/720p/init.mp4", "init.mp4"),
            ("outputs/k1/720p/v.m3u8", "outputs/k1/720p/segments/000001.m4s", "segments/000001.m4s"),
            ("outputs/k1/v.m3u8", "outputs/k2/720p/1.m4s", "../k2/720p/1.m4s"),
            ("a/b/c/v.m3u8", "x.mp4", "../../../x.mp4"),
            ("a/v.m3u8", "ab/x.mp4", "../ab/x.mp4"),
            ("v.m3u8", "a:b.mp4", "a%3Ab.mp4"),
            ("v.m3u8", "50%/$é \"#?.mp4", "50%25/%24%C3%A9%20%22%23%3F.mp4"),
            ("./a/v.m3u8", "a//x.mp4", "x.mp4"),
        ] {
            assert_eq!(relative_uri(from, to), uri, "{from} -> {to}");
        }
    }
}
