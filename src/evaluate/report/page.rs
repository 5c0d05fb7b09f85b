//! What all reports share: the page around them, its colours, and tables of rates.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{COLOURS, Series};
use crate::evaluate::rate::Rate;

/// Light and dark by the reader's own setting.
const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8885}\
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem}\
th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top}\
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}\
figure{display:inline-block;margin:0 1rem 1rem 0;max-width:100%}\
figcaption{font-weight:600}\
svg{max-width:100%;height:auto}\
svg text{fill:currentColor}\
.key::before{content:'';display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 .8em;background:var(--c)}\
.note{opacity:.75}";

/// A whole page.
pub(super) fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (body)
                p.note {
                    "Bounds in brackets are Clopper and Pearson's at 95 %. They take trials as "
                    "independent; pairs and searches that share a picture or a person are not, "
                    "so the truth is less certain than they say. "
                    "doorward " (env!("CARGO_PKG_VERSION")) "."
                }
            }
        }
    }
    .into_string()
}

/// A chart with its title and the names of its series.
pub(super) fn figure(title: &str, names: &[&str], svg: String) -> Markup {
    html! {
        figure {
            figcaption {
                (title)
                @for (name, (r, g, b)) in names.iter().zip(COLOURS) {
                    span.key style=(format!("--c:rgb({r},{g},{b})")) { (name) }
                }
            }
            (PreEscaped(svg))
        }
    }
}

/// Names of series, for their figure.
pub(super) fn names(series: &[Series]) -> Vec<&str> {
    series.iter().map(|line| line.name.as_str()).collect()
}

/// Rows of a name and a value.
pub(super) fn facts(rows: &[(&str, String)]) -> Markup {
    html! {
        table {
            @for (name, value) in rows { tr { th { (name) } td { (value) } } }
        }
    }
}

/// A rate's cell.
pub(super) fn rate(rate: &Rate) -> Markup {
    html! { td.n { (rate) } }
}
