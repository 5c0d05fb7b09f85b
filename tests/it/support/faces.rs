//! The sheet of sample faces that `scripts/setup` fetches: cuts single faces out of it.
//!
//! For tests and for the demo. Flows in: `samples/facematch.jpg`. Flows out: one small picture
//! a face. It never guesses: a missing sheet, or one of another size, is an error that says
//! what to do.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use doorward::event::{PersonId, PersonRef, PersonStatus};
use doorward::gallery::{Gallery, GalleryPerson};
use doorward::vision::{Vision, still};
use image::RgbImage;

/// Columns and rows of the sheet.
const COLUMNS: u32 = 18;
const ROWS: u32 = 6;
/// Size of one face, in pixels.
const CELL: (u32, u32) = (105, 106);
/// Centre-to-centre distances and the first cell's corner, in pixels. They are no whole
/// numbers because the sheet was once scaled.
const PITCH: (f64, f64) = (106.34, 112.4);
const ORIGIN: (f64, f64) = (3.0, 283.0);

/// Place of one face on the sheet, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Row, from 0.
    pub row: u32,
    /// Column, from 0.
    pub col: u32,
}

impl Cell {
    /// The face in this row and column.
    pub const fn at(row: u32, col: u32) -> Self {
        Self { row, col }
    }

    /// Whether this is the sample person: the whole first row, and four of the second.
    /// (1,3) may be him or not; use it for neither.
    pub fn is_the_person(self) -> bool {
        self.row == 0 || (self.row == 1 && matches!(self.col, 0..=2 | 8))
    }
}

/// What the sample person is enrolled from: sharp, from the front.
pub const ENROLLMENT: [Cell; 4] = [
    Cell::at(0, 0),
    Cell::at(0, 1),
    Cell::at(0, 2),
    Cell::at(0, 3),
];

/// The sample person, in pictures that are not enrolled and are sharp enough to be recognised.
pub const PERSON: [Cell; 4] = [
    Cell::at(0, 17),
    Cell::at(0, 14),
    Cell::at(0, 15),
    Cell::at(0, 5),
];

/// People who are not the sample person, in sharp pictures from the front.
pub const STRANGERS: [Cell; 4] = [
    Cell::at(2, 3),
    Cell::at(4, 8),
    Cell::at(3, 2),
    Cell::at(5, 9),
];

/// The decoded sheet.
#[derive(Debug)]
pub struct Sheet {
    picture: RgbImage,
}

impl Sheet {
    /// Reads the sheet of this checkout.
    pub fn open() -> anyhow::Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/facematch.jpg");
        let bytes = std::fs::read(&path).with_context(|| {
            format!(
                "{}: cannot read the sample faces; run scripts/setup, which fetches them",
                path.display()
            )
        })?;
        let picture = still::decode(&bytes).with_context(|| {
            format!("{}: remove it and run scripts/setup again", path.display())
        })?;
        let (right, bottom) = corner(Cell::at(ROWS - 1, COLUMNS - 1));
        ensure!(
            picture.width() >= right + CELL.0 && picture.height() >= bottom + CELL.1,
            "{}: is too small to be the sheet of sample faces; remove it and run scripts/setup again",
            path.display()
        );
        Ok(Self { picture })
    }

    /// One face.
    pub fn face(&self, cell: Cell) -> anyhow::Result<RgbImage> {
        let Cell { row, col } = cell;
        ensure!(
            row < ROWS && col < COLUMNS,
            "the sheet has no face in row {row}, column {col}"
        );
        let (x, y) = corner(cell);
        let (width, height) = CELL;
        Ok(image::imageops::crop_imm(&self.picture, x, y, width, height).to_image())
    }

    /// People enrolled from these faces, in the order given.
    pub fn gallery(
        &self,
        vision: &mut Vision,
        people: &[(&str, &[Cell])],
    ) -> anyhow::Result<Gallery> {
        let mut enrolled = Vec::new();
        for (name, cells) in people {
            let mut embeddings = Vec::new();
            for cell in *cells {
                let (image, found) = vision.detect_in_still(still::to_bgr(&self.face(*cell)?)?)?;
                let best = *found.first().context("no face")?;
                let face = vision.examine(&image, best)?.context("no landmarks")?;
                embeddings.push(vision.embed(&face)?.embedding.as_slice().to_vec());
            }
            enrolled.push(GalleryPerson {
                person: PersonRef {
                    id: PersonId(uuid::Uuid::now_v7()),
                    name: (*name).to_owned(),
                },
                status: PersonStatus::Active,
                embeddings,
            });
        }
        Ok(Gallery::new(enrolled, vision.dimensions()))
    }

    /// Saves faces as PNG files, named by their place, and returns the paths in the same order.
    pub fn save(&self, cells: &[Cell], folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let save = |cell: &Cell| {
            let path = folder.join(format!("face-{}-{:02}.png", cell.row, cell.col));
            self.face(*cell)?
                .save(&path)
                .with_context(|| format!("{}: cannot be written", path.display()))?;
            Ok(path)
        };
        cells.iter().map(save).collect()
    }
}

/// Top left corner of a face, in pixels of the sheet.
fn corner(cell: Cell) -> (u32, u32) {
    let place = |origin: f64, pitch: f64, n: u32| (origin + pitch * f64::from(n)).round() as u32;
    (
        place(ORIGIN.0, PITCH.0, cell.col),
        place(ORIGIN.1, PITCH.1, cell.row),
    )
}
