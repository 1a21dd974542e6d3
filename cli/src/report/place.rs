//! Where an output is, seen from a page: a relative link where both lie in one tree, so that they can be moved
//! and served together, else an absolute one.

use std::path::{Component, Path, PathBuf};

use transcode_engine::ResolvedSpec;
use transcode_media::playlist::relative_uri;

/// Of a job's output. Without a URL nobody but programs with credentials can get at a bucket.
pub fn base(report: &Path, spec: &ResolvedSpec, url: Option<&str>) -> Option<String> {
    match &spec.output.file {
        Some(file) => of_folder(report, Path::new(&file.path), url),
        None => url.map(folder),
    }
}

/// Of an output's folder.
pub fn of_folder(report: &Path, output: &Path, url: Option<&str>) -> Option<String> {
    if let Some(url) = url {
        return Some(folder(url));
    }
    let output = real(output)?;
    let page = real(report.parent().unwrap_or(Path::new("")))?.join("report");
    let first = |path: &Path| {
        path.components().find(|part| matches!(part, Component::Normal(_))).map(|c| c.as_os_str().to_owned())
    };
    // A page on standard output lies nowhere.
    let together = report != Path::new("-") && first(&output) == first(&page);
    let link = match together {
        true => relative_uri(page.to_str()?, output.join("x").to_str()?),
        false => format!("file:///{}", relative_uri("", output.join("x").to_str()?)),
    };
    let base = link.strip_suffix('x')?;
    // Never empty: what follows could be taken for a scheme or a host.
    Some(if base.is_empty() { "./".into() } else { base.into() })
}

/// With a `/` at its end.
pub fn folder(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

/// Links followed, as far as it is there. The folder of a bare file name is "": the current one.
fn real(path: &Path) -> Option<PathBuf> {
    let absolute = std::env::current_dir().ok()?.join(path);
    Some(absolute.canonicalize().unwrap_or(absolute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_the_page_to_the_output() {
        let root = tempfile::tempdir().unwrap();
        let output = root.path().join("out put");
        std::fs::create_dir_all(&output).unwrap();
        std::os::unix::fs::symlink(&output, root.path().join("link")).unwrap();
        let link = |report: &str, output: &str| of_folder(&root.path().join(report), &root.path().join(output), None);
        assert_eq!(link("report.html", "out put").unwrap(), "out%20put/");
        assert_eq!(link("report.html", "link").unwrap(), "out%20put/");
        assert_eq!(link("out put/report.html", "out put").unwrap(), "./");
        assert_eq!(link("out put/not-there/report.html", "out put").unwrap(), "../");
        assert_eq!(of_folder(Path::new("report.html"), Path::new("src"), None).unwrap(), "src/");
        let elsewhere = of_folder(Path::new("/not-there/report.html"), &output, None).unwrap();
        let absolute = std::fs::canonicalize(&output).unwrap().display().to_string().replace(' ', "%20");
        assert_eq!(elsewhere, format!("file://{absolute}/"));
        assert_eq!(of_folder(Path::new("-"), &output, None).unwrap(), elsewhere);
        assert_eq!(of_folder(Path::new("-"), &output, Some("https://a.example/b")).unwrap(), "https://a.example/b/");
    }
}
