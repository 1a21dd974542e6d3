//! The report's figures against what lies in the output.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e_media::{product, published::Published};

use crate::{OPTIONS, folder, job};

/// What stands between two texts.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let rest = page.split_once(before).with_context(|| format!("{before} is not in the page"))?.1;
    Ok(rest.split_once(after).with_context(|| format!("{after} is not in the page"))?.0)
}

/// A column of numbers of a table; the first one has headings.
fn column(table: &str, n: usize) -> Result<Vec<usize>> {
    let cell = |row: &str| -> Result<usize> {
        let cell =
            row.split("<td class=\"number\">").nth(n).and_then(|rest| rest.split_once('<')).context("no cell")?.0;
        Ok(cell.replace(',', "").parse()?)
    };
    table.split("<tr>").skip(2).map(cell).collect()
}

/// Every segment of every track with its size.
fn sizes_agree(page: &str, out: &Path) -> Result<()> {
    let published = Published::read(out)?;
    ensure!(published.tracks.len() == 3, "{} tracks", published.tracks.len());
    for media in &published.tracks {
        let table = between(page, &format!("<table data-track=\"{}\">", media.name), "</table>")?;
        ensure!(
            column(table, 3)? == media.sizes,
            "{}: {:?} in the page, {:?}",
            media.name,
            column(table, 3)?,
            media.sizes
        );
    }
    Ok(())
}

/// Everything that the page links to is there.
fn links_lead_somewhere(page: &str, folder: &Path) -> Result<usize> {
    let links = page.split("href=\"").chain(page.split("src=\"")).skip(1);
    let links: Vec<&str> = links.filter_map(|rest| rest.split_once('"')).map(|(link, _)| link).collect();
    let media: Vec<_> = links.iter().filter(|link| link.starts_with("out/") || link.starts_with("./")).collect();
    for link in &media {
        ensure!(folder.join(link).is_file(), "{link} leads nowhere");
    }
    Ok(media.len())
}

#[test]
fn a_report_of_a_run_and_of_its_output() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?;
    let path = folder.path().join("report.html");
    let finished = job.succeed(&["--report", "report.html"])?;
    let page = std::fs::read_to_string(&path)?;
    sizes_agree(&page, &job.out())?;
    let links = links_lead_somewhere(&page, folder.path())?;
    ensure!(links >= 8, "{links} links");
    let runs = finished.started("").len();
    ensure!(page.contains(&format!("{runs} task runs on ")), "not {runs} runs");
    let chunks = between(&page, "Runs of tasks, by stage", "</table>")?;
    ensure!(chunks.contains("<th scope=\"row\">encode-top</th><td class=\"number\">5</td>"), "{chunks}");

    // The same from what was published, written beside it.
    let command = |arguments: &[&str]| -> Result<std::process::Output> {
        let mut command = std::process::Command::new(&product::programs()?.cli);
        Ok(command.arg("report").args(arguments).current_dir(folder.path()).output()?)
    };
    let output = command(&["out", "-o", "out/later.html"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let later = std::fs::read_to_string(job.out().join("later.html"))?;
    sizes_agree(&later, &job.out())?;
    ensure!(links_lead_somewhere(&later, &job.out())? == links, "other links");
    // Ten chunks, sound, two MP4s, package, verify and publish leave results; there is no thumbnail by default.
    ensure!(later.contains("16 task runs on "), "{}", between(&later, "<svg class=\"tasks\"", "</title>")?);

    let missing = command(&["no/such/job.json"])?;
    ensure!(missing.status.code() == Some(2), "{:?}", missing.status);
    ensure!(String::from_utf8_lossy(&missing.stderr).contains("no/such/job.json does not exist"));
    Ok(())
}

#[test]
fn a_failed_job_has_a_report() -> Result<()> {
    let folder = folder()?;
    let job = job(&folder, OPTIONS)?.with("TRANSCODE_FAULTS", "encode-low/1/*=fail");
    let finished = job.run(&["--report", "report.html"])?;
    ensure!(finished.code == Some(1), "{:?}", finished.code);
    let page = std::fs::read_to_string(folder.path().join("report.html"))?;
    let message = finished.message().lines().next().unwrap_or_default().to_owned();
    ensure!(!message.is_empty() && page.contains(&message), "{message} is not in the page");
    let failed = between(&page, "<th scope=\"row\">encode-low</th>", "</tr>")?;
    // And what was stopped with the job, if it ran.
    let count =
        failed.split("<td class=\"number\">").nth(2).and_then(|cell| cell.split_once('<')?.0.parse::<u32>().ok());
    ensure!(count.is_some_and(|count| count >= 3), "three attempts failed: {failed}");
    ensure!(!page.contains("<video"), "there is nothing to play");
    let nowhere = job.run(&["--report", "not/there.html"])?;
    ensure!(nowhere.code == Some(2) && nowhere.stderr.contains("does not exist"), "{}", nowhere.stderr);
    Ok(())
}
