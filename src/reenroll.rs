//! From kept photos to templates of the model in use.
//!
//! Flows in: photos that the store kept, which were examined once when they were enrolled.
//! Flows out: [`NewTemplate`]s and [`Refusal`]s; nothing is stored here (see
//! [`Store::reenroll`]). Quality is demanded anew, because another detector sees another face.
//! It is not asked again whether a face is somebody else's: that was decided at enrollment,
//! and the people of the old model cannot be compared with this one.

use crate::enroll::{Refusal, observe};
use crate::event::PersonId;
use crate::store::{NewTemplate, Store, StoreError};
use crate::vision::pack::sha256_hex;
use crate::vision::still::{self, StillError};
use crate::vision::{QualityLimits, Vision, VisionError};

/// What became of one kept photo.
#[derive(Debug)]
pub enum Outcome {
    /// A template of the model in use.
    Made(NewTemplate),
    /// It has one already.
    Known,
    /// It gives none, and why.
    Refused(Refusal),
}

/// Examines one kept photo of a person.
///
/// # Errors
/// When the store cannot be read.
pub fn examine(
    vision: &mut Vision,
    store: &Store,
    limits: &QualityLimits,
    person: PersonId,
    image_sha256: &str,
) -> Result<Outcome, StoreError> {
    let model_id = vision.model_id().to_owned();
    if store.image_owner(&model_id, image_sha256)?.is_some() {
        return Ok(Outcome::Known);
    }
    let Some(bytes) = store.photo(person, image_sha256)? else {
        // Erased a moment ago, with its person: nothing is left to be known.
        return Ok(Outcome::Known);
    };
    Ok(match template(vision, limits, &bytes, image_sha256) {
        Ok(template) => Outcome::Made(template),
        Err(refusal) => Outcome::Refused(refusal),
    })
}

fn template(
    vision: &mut Vision,
    limits: &QualityLimits,
    bytes: &[u8],
    image_sha256: &str,
) -> Result<NewTemplate, Refusal> {
    // Nobody remembers the file's name; this much of the hash is shown.
    let file = format!("photo {}", image_sha256.get(..12).unwrap_or(image_sha256));
    let bad = |error| VisionError::Still {
        path: file.clone().into(),
        error,
    };
    if sha256_hex(bytes) != image_sha256 {
        let what = "it is not what was enrolled".to_owned();
        return Err(bad(StillError::Damaged(what)).into());
    }
    let picture = still::decode(bytes).map_err(bad)?;
    // Several faces were accepted at enrollment only with the word to take the largest.
    let observation = observe(vision, limits, true, still::to_bgr(&picture)?, file)?;
    Ok(NewTemplate {
        model_id: vision.model_id().to_owned(),
        embedding: observation.embedding.as_slice().to_vec(),
        quality: observation.quality.score(),
        image_sha256: image_sha256.to_owned(),
        photo: None,
    })
}
