//! Small pieces of sentences.

/// Other names of what has one here.
const SYNONYMS: [(&str, &str); 6] =
    [("h265", "hevc"), ("x265", "hevc"), ("avc", "h264"), ("x264", "h264"), ("copy", "passthrough"), ("mp4a", "aac")];

/// The one of `known` that `found` most likely was meant to be.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    let same = SYNONYMS.into_iter().find(|(other, _)| *other == lower).map(|(_, name)| name);
    let near = |name: &str| {
        if same == Some(name) {
            return Some(0);
        }
        let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
        (distance <= 1 + found.chars().count() / 4).then_some(distance)
    };
    known.into_iter().filter_map(|name| Some((near(name)?, name))).min().map(|(_, name)| name)
}

/// `` `a`, `b` and `c` ``
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "none".into(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A text in backticks, shortened when it is long or has several lines.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && text.chars().count() <= SHOWN {
        return format!("`{text}`");
    }
    format!("`{}…`", line.chars().take(SHOWN).collect::<String>())
}

/// The first sentence of a description, on one line, without its full stop.
pub(crate) fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["inputs", "outputs", "options"];
        assert_eq!(nearest("optoins", known), Some("options"));
        assert_eq!(nearest("Inputs", known), Some("inputs"));
        assert_eq!(nearest("input", known), Some("inputs"));
        assert_eq!(nearest("bitrate", known), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(first_sentence("One\n  thing. Another."), "One thing");
        assert_eq!(quoted("a\nb"), "`a…`");
    }
}
