//! The claims, a file each, and the order in which they are proved.

pub mod audio;
pub mod before;
pub mod captions;
pub mod channels;
pub mod cover;
pub mod joins;
pub mod light;
pub mod mpd;
pub mod picture;
pub mod playlists;
pub mod record;
pub mod relation;
pub mod spatial;
pub mod timing;
pub mod unchunked;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{
    figures::Figures,
    plan::Plan,
    product::Job,
    published::{Media, Published},
    recipe,
    row::Row,
};

/// Everything that was measured of a row.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The row.
    pub row: &'a Row,
    /// A folder for what the proofs write.
    pub folder: PathBuf,
    /// The source, in order.
    pub source: PathBuf,
    /// What the product says that it will do.
    pub plan: Plan,
    /// The source's frames after the filters, decoded in one run, for each rendition.
    pub reference: Vec<before::Reference>,
    /// What it did.
    pub published: Published,
    /// Whether this machine's own ffmpeg made it: then its bytes can be made again.
    pub same_encoder: bool,
    /// What the proofs measured.
    pub figures: Figures,
}

impl Evidence<'_> {
    /// Whether sound is the source's own.
    pub fn passed_through(&self) -> bool {
        self.row.options.contains("passthrough")
    }

    /// Audio tracks that playlists list, with language and title.
    fn listed_audio(&self) -> Vec<(&Media, Language)> {
        let all = self.published.audio().into_iter().zip(self.row.audio.iter().copied());
        all.filter(|(media, _)| !self.row.unlisted.contains(&media.name.as_str())).collect()
    }

    /// Tracks that playlists list.
    fn listed(&self) -> Vec<&Media> {
        self.published.video().into_iter().chain(self.listed_audio().into_iter().map(|(media, _)| media)).collect()
    }
}

/// Language and title of a track, as playlists show them.
type Language = (&'static str, Option<&'static str>);

/// Runs a row on this machine and proves every claim; all that failed is told.
pub fn prove(row: &Row, folder: &Path) -> Result<()> {
    prove_published(row, folder, true, |job, _| {
        let finished = job.succeed(&["--workers", "1"])?;
        ensure!(finished.reason() == "Published", "ended as {}", finished.end());
        Ok(job.out())
    })
}

/// Has a row published by any means and proves every claim. `publish` is given the job, as it would
/// run on this machine, and its source, and tells in which folder the output is. Bytes are
/// compared where the encoder is this machine's (`same_encoder`).
pub fn prove_published(
    row: &Row,
    folder: &Path,
    same_encoder: bool,
    publish: impl FnOnce(&Job, &Path) -> Result<PathBuf>,
) -> Result<()> {
    let source = recipe::source(row).context("the source")?;
    let job = Job::of_file(folder, &source, row.formats, row.options)?;
    let mut plan = Plan::parse(&job.plan("json")?)?;
    ensure!(plan.chunks() >= row.chunks, "{} chunks, expected at least {}", plan.chunks(), row.chunks);
    let mended = match row.mended {
        0 => source.clone(),
        steps => recipe::source(&Row { source: &row.source[..steps], ..*row }).context("the source in order")?,
    };
    plan.read(&source, &mended);
    let scratch = folder.join("proof");
    std::fs::create_dir_all(&scratch)?;
    let mut wrong = vec![];
    let reference = match before::prove(row, &plan, &scratch) {
        Ok(reference) => reference,
        Err((reference, error)) => {
            wrong.push(format!("before encoding: {error:#}"));
            reference
        }
    };
    let output = publish(&job, &source).with_context(|| wrong.join("\n"))?;
    let published = Published::read(&output)?;
    let evidence = Evidence {
        row,
        folder: scratch,
        source: mended,
        plan,
        reference,
        published,
        same_encoder,
        figures: Figures::default(),
    };
    let claims: [(&str, Claim); 14] = [
        ("record", record::prove),
        ("timing", timing::prove),
        ("audio", audio::prove),
        ("channels", channels::prove),
        ("cover", cover::prove),
        ("joins", joins::prove),
        ("picture", picture::prove),
        ("unchunked", unchunked::prove),
        ("light", light::prove),
        ("spatial", spatial::prove),
        ("captions", captions::prove),
        ("relation", relation::prove),
        ("playlists", playlists::prove),
        ("mpd", mpd::prove),
    ];
    for (name, claim) in claims {
        if let Err(error) = claim(&evidence) {
            wrong.push(format!("{name}: {error:#}"));
        }
    }
    evidence.figures.write(row.name, wrong.is_empty()).context("the figures")?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// One claim about what was published.
type Claim = fn(&Evidence<'_>) -> Result<()>;
