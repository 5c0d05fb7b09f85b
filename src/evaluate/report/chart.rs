//! Curves and histograms as SVG.
//!
//! Pure: points in, text out. Colours are of middle lightness and the ground is transparent, so
//! that a chart can be read on a light and on a dark page. No font is needed: texts stay texts.

use std::fmt::Display;
use std::ops::Range;

use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

use super::ReportError;

/// Size of a chart, in CSS pixels.
const SIZE: (u32, u32) = (560, 360);
/// Axes and their texts.
const INK: RGBColor = RGBColor(128, 128, 128);
/// Of the series, in their order: distinguishable with any colour vision (Okabe and Ito, 2008).
pub(super) const COLOURS: [(u8, u8, u8); 4] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)];

/// A named line.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Both axes logarithmic, from `floor` to 1; rates below it are drawn at it.
pub(super) fn log_log(
    series: &[Series],
    floor: f64,
    x: &str,
    y: &str,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = builder(&area)
            .build_cartesian_2d((floor..1.0).log_scale(), (floor..1.0).log_scale())
            .map_err(failed)?;
        mesh(&mut chart, (x, &share), (y, &share))?;
        for (line, (r, g, b)) in series.iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> = line
                .points
                .iter()
                .map(|&(x, y)| (x.max(floor), y.max(floor)))
                .collect();
            let path = PathElement::new(points, RGBColor(r, g, b).stroke_width(2));
            chart.draw_series([path]).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(inline(&svg))
}

/// Rates over a similarity: straight across, logarithmic upwards from `floor`.
pub(super) fn over_threshold(
    series: &[Series],
    across: Range<f64>,
    floor: f64,
    marked: f64,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = builder(&area)
            .build_cartesian_2d(across.clone(), (floor..1.0).log_scale())
            .map_err(failed)?;
        mesh(&mut chart, ("threshold", &plain), ("error rate", &share))?;
        let ends = vec![(marked, floor), (marked, 1.0)];
        chart
            .draw_series([PathElement::new(ends, INK.stroke_width(1))])
            .map_err(failed)?;
        for (line, (r, g, b)) in series.iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> = line
                .points
                .iter()
                .filter(|(x, _)| across.contains(x))
                .map(|&(x, y)| (x, y.max(floor)))
                .collect();
            let path = PathElement::new(points, RGBColor(r, g, b).stroke_width(2));
            chart.draw_series([path]).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(inline(&svg))
}

/// Shares of values in equal bins over `across`, one colour a group; `marked` is a threshold.
pub(super) fn histogram(
    groups: &[(&str, &[f32])],
    across: Range<f64>,
    bins: usize,
    x: &str,
    marked: Option<f64>,
) -> Result<String, ReportError> {
    let width = (across.end - across.start) / bins as f64;
    let shares: Vec<Vec<f64>> = groups
        .iter()
        .map(|(_, values)| {
            let mut shares = vec![0.0; bins];
            for value in *values {
                let bin = ((f64::from(*value) - across.start) / width) as usize;
                shares[bin.min(bins - 1)] += 1.0 / values.len() as f64;
            }
            shares
        })
        .collect();
    let highest = shares.iter().flatten().copied().fold(0.01, f64::max) * 1.05;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = builder(&area)
            .build_cartesian_2d(across.clone(), 0.0..highest)
            .map_err(failed)?;
        mesh(&mut chart, (x, &plain), ("share of them", &share))?;
        let mark =
            marked.map(|at| PathElement::new(vec![(at, 0.0), (at, highest)], INK.stroke_width(1)));
        chart.draw_series(mark).map_err(failed)?;
        for (shares, (r, g, b)) in shares.iter().zip(COLOURS) {
            let bars = shares.iter().enumerate().filter(|(_, share)| **share > 0.0);
            let bars = bars.map(|(bin, share)| {
                let left = across.start + bin as f64 * width;
                let corners = [(left, 0.0), (left + width, *share)];
                Rectangle::new(corners, RGBColor(r, g, b).mix(0.5).filled())
            });
            chart.draw_series(bars).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(inline(&svg))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// What an axis shows, and how its numbers are written.
type Axis<'a> = (&'a str, &'a dyn Fn(f64) -> String);

fn builder<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin(8)
        .x_label_area_size(40)
        .y_label_area_size(60);
    builder
}

fn mesh<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    (x, x_text): Axis<'_>,
    (y, y_text): Axis<'_>,
) -> Result<(), ReportError>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .axis_style(INK)
        .bold_line_style(INK.mix(0.3))
        .light_line_style(INK.mix(0.1))
        .label_style(("sans-serif", 12, &INK))
        .x_label_formatter(&|value| x_text(*value))
        .y_label_formatter(&|value| y_text(*value))
        .draw()
        .map_err(failed)
}

/// A rate as people read it.
fn share(rate: f64) -> String {
    if rate >= 0.01 || rate == 0.0 {
        format!("{:.0} %", rate * 100.0)
    } else if rate >= 0.0001 {
        format!("{:.2} %", rate * 100.0)
    } else {
        format!("{rate:.0e}")
    }
}

/// A similarity or a score as people read it.
fn plain(value: f64) -> String {
    format!("{value:.1}")
}

/// Inside an HTML page the namespace goes without saying, and the page names no address at all.
fn inline(svg: &str) -> String {
    svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
}

fn failed(error: impl Display) -> ReportError {
    ReportError::Chart(error.to_string())
}
