//! Languages: containers have ISO 639-2, playlists want BCP 47 (RFC 5646: the shortest code).

/// Bibliographic codes of ISO 639-2 that differ from the terminological ones.
const BIBLIOGRAPHIC: [(&str, &str); 20] = [
    ("alb", "sqi"),
    ("arm", "hye"),
    ("baq", "eus"),
    ("bur", "mya"),
    ("chi", "zho"),
    ("cze", "ces"),
    ("dut", "nld"),
    ("fre", "fra"),
    ("geo", "kat"),
    ("ger", "deu"),
    ("gre", "ell"),
    ("ice", "isl"),
    ("mac", "mkd"),
    ("mao", "mri"),
    ("may", "msa"),
    ("per", "fas"),
    ("rum", "ron"),
    ("slo", "slk"),
    ("tib", "bod"),
    ("wel", "cym"),
];

/// `eng`, `en` or `en-GB` to BCP 47; `und` for what is no language.
pub fn bcp47(tag: &str) -> String {
    let (code, rest) = tag.split_once(['-', '_']).unwrap_or((tag, ""));
    let code = code.to_ascii_lowercase();
    let code = BIBLIOGRAPHIC.iter().find(|(b, _)| *b == code).map_or(code.as_str(), |(_, t)| t);
    let found = isolang::Language::from_639_3(code).or_else(|| isolang::Language::from_639_1(code));
    let Some(language) = found else { return "und".into() };
    let short = language.to_639_1().unwrap_or(language.to_639_3());
    let region = rest.len() == 2 && rest.bytes().all(|b| b.is_ascii_alphabetic());
    if region { format!("{short}-{}", rest.to_ascii_uppercase()) } else { short.into() }
}

/// The three letters that an MP4's media header holds (ISO 639-2/T).
pub fn iso639_2(tag: &str) -> String {
    let short = bcp47(tag);
    let code = short.split('-').next().unwrap_or_default();
    isolang::Language::from_639_1(code).map_or(code, |l| l.to_639_3()).into()
}

/// What people call a BCP 47 tag in English: `English`, `Portuguese (BR)`. `None` for `und` and what is no language.
pub fn name(tag: &str) -> Option<String> {
    let (code, region) = tag.split_once('-').map_or((tag, None), |(code, region)| (code, Some(region)));
    let language = isolang::Language::from_639_1(code).or_else(|| isolang::Language::from_639_3(code))?;
    let name = language.to_name();
    match language {
        isolang::Language::Und => None,
        _ => Some(region.map_or_else(|| name.to_owned(), |region| format!("{name} ({region})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_names_that_people_read() {
        let names = ["en", "pt-BR", "yue", "el", "und", "klingon!"].map(name);
        let names: Vec<_> = names.iter().map(|name| name.as_deref().unwrap_or("-")).collect();
        assert_eq!(names, ["English", "Portuguese (BR)", "Yue Chinese", "Modern Greek", "-", "-"]);
    }

    #[test]
    fn languages_are_found_under_every_name() {
        for (tag, short, long) in [
            ("eng", "en", "eng"),
            ("fre", "fr", "fra"),
            ("de", "de", "deu"),
            ("pt_br", "pt-BR", "por"),
            ("und", "und", "und"),
            ("", "und", "und"),
            ("klingon!", "und", "und"),
        ] {
            assert_eq!((bcp47(tag).as_str(), iso639_2(tag).as_str()), (short, long), "{tag}");
        }
    }
}
