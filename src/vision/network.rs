//! One network of the pack on OpenCV DNN: bytes in, blob in, tensors out.

use opencv::core::{Mat, Scalar, Size, Vector};
use opencv::dnn::{self, Net, NetTrait as _, NetTraitConst as _};

use super::VisionError;
use super::pack::{Channels, ModelFile, ModelPack, PackError, Role};

/// A loaded network with the preprocessing its manifest entry asks for.
#[derive(Debug)]
pub(super) struct Network {
    net: Net,
    size: Size,
    mean: Scalar,
    scale: f64,
    swap_rb: bool,
    outputs: Vector<String>,
    /// The input, and what came out last; kept, so that a pass allocates nothing of its own.
    blob: Mat,
    tensors: Vector<Mat>,
}

impl Network {
    /// Loads the network of a role from bytes whose hash was checked.
    pub(super) fn load(
        pack: &ModelPack,
        role: Role,
        outputs: &[&str],
    ) -> Result<Self, VisionError> {
        let file = pack.file(role)?;
        let (mean, scale) = preprocessing(pack, file)?;
        let bytes = Vector::from_slice(&pack.read(file)?);
        let mut net =
            dnn::read_net_from_onnx_buffer(&bytes).map_err(|source| VisionError::Network {
                name: file.name.clone(),
                source,
            })?;
        net.set_preferable_backend(dnn::DNN_BACKEND_OPENCV)?;
        net.set_preferable_target(dnn::DNN_TARGET_CPU)?;
        let outputs = if outputs.is_empty() {
            net.get_unconnected_out_layers_names()?
        } else {
            outputs.iter().copied().collect()
        };
        Ok(Self {
            net,
            size: Size::new(file.input[3], file.input[2]),
            mean,
            scale,
            swap_rb: file.channels == Channels::Rgb,
            outputs,
            blob: Mat::default(),
            tensors: Vector::new(),
        })
    }

    /// The input size that the manifest names, in pixels.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Runs the network on an 8-bit image (BGR, or grey for a grey network), which is
    /// stretched to the input size bilinearly. Returns one tensor an output, in the order asked
    /// for; the next pass overwrites them.
    pub(super) fn forward(
        &mut self,
        image: &impl opencv::core::ToInputArray,
    ) -> Result<&Vector<Mat>, VisionError> {
        self.forward_at(image, self.size)
    }

    /// The same without stretching, for a network that takes images of any size.
    pub(super) fn forward_whole(
        &mut self,
        image: &impl opencv::core::ToInputArray,
    ) -> Result<&Vector<Mat>, VisionError> {
        // An empty size means the image's own.
        self.forward_at(image, Size::default())
    }

    fn forward_at(
        &mut self,
        image: &impl opencv::core::ToInputArray,
        size: Size,
    ) -> Result<&Vector<Mat>, VisionError> {
        dnn::blob_from_image_to(
            image,
            &mut self.blob,
            self.scale,
            size,
            self.mean,
            self.swap_rb,
            false,
            opencv::core::CV_32F,
        )?;
        self.pass()?;
        Ok(&self.tensors)
    }

    fn pass(&mut self) -> Result<(), VisionError> {
        self.net.set_input(&self.blob, "", 1.0, Scalar::default())?;
        self.net.forward(&mut self.tensors, &self.outputs)?;
        Ok(())
    }
}

/// A network with an input that never changes: what its pass alone costs, for measurements.
#[derive(Debug)]
pub struct BareNetwork {
    network: Network,
}

impl BareNetwork {
    /// Loads the network of a role.
    ///
    /// # Errors
    /// When its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack, role: Role) -> Result<Self, VisionError> {
        let mut network = Network::load(pack, role, &[])?;
        let input = pack.file(role)?.input;
        network.blob = Mat::new_nd_with_default(&input, opencv::core::CV_32F, Scalar::all(0.1))?;
        Ok(Self { network })
    }

    /// One pass.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn forward(&mut self) -> Result<(), VisionError> {
        self.network.pass()
    }
}

/// OpenCV scales all channels alike, so the manifest must too.
fn preprocessing(pack: &ModelPack, file: &ModelFile) -> Result<(Scalar, f64), VisionError> {
    let refuse = |message: &str| {
        VisionError::Pack(PackError::Manifest {
            path: pack.path_of(file),
            message: message.to_owned(),
        })
    };
    let scale = *file
        .scale
        .first()
        .filter(|first| file.scale.iter().all(|scale| scale == *first))
        .ok_or_else(|| refuse("`scale` must be the same for every channel"))?;
    let mean = match file.mean[..] {
        [grey] => Scalar::all(grey),
        [a, b, c] => Scalar::new(a, b, c, 0.0),
        _ => return Err(refuse("`mean` needs one value a channel")),
    };
    Ok((mean, scale))
}
