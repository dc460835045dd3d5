//! The picture: a box for each function, as wide as its share of the samples, above the one that called it.

use std::fmt::Write as _;

use super::stacks::Frame;
use super::symbol::{Symbol, Whose};

/// An SVG that needs nothing else: no script, no font of its own.
pub fn draw(frame: &Frame, title: &str) -> String {
    let mut boxes = Vec::new();
    place(frame, (0.0, 0), &mut boxes, WIDTH / as_float(frame.samples()));
    let rows = boxes.iter().map(|placed| placed.row + 1).max().unwrap_or(0);
    let height = HEAD + rows * ROW + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"4\" y=\"18\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    draw_legend(&mut svg);
    for placed in &boxes {
        draw_box(&mut svg, placed, HEAD + (rows - 1 - placed.row) * ROW, frame.samples());
    }
    svg.push_str("</svg>\n");
    svg
}

struct Placed<'a> {
    symbol: &'a Symbol,
    samples: u64,
    left: f64,
    width: f64,
    /// From the bottom.
    row: usize,
}

/// The callees of a frame side by side, the widest first, and theirs on top of them.
fn place<'a>(frame: &'a Frame, (left, row): (f64, usize), boxes: &mut Vec<Placed<'a>>, scale: f64) {
    let mut callees: Vec<_> = frame.callees().collect();
    callees.sort_by_key(|(_, callee)| std::cmp::Reverse(callee.samples()));
    let mut left = left;
    for (symbol, callee) in callees {
        let width = as_float(callee.samples()) * scale;
        if width < WIDTH_MIN || row == ROWS_MAX {
            break;
        }
        boxes.push(Placed { symbol, samples: callee.samples(), left, width, row });
        place(callee, (left, row + 1), boxes, scale);
        left += width;
    }
}

fn draw_legend(svg: &mut String) {
    for (number, whose) in Whose::ALL.into_iter().enumerate() {
        let left = WIDTH - 90.0 * as_float((Whose::ALL.len() - number) as u64);
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"8\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"18\">{}</text>",
            whose.colour(),
            left + 16.0,
            whose.title()
        );
    }
}

fn draw_box(svg: &mut String, placed: &Placed<'_>, top: usize, whole: u64) {
    let Placed { symbol, samples, left, width, .. } = placed;
    let share = 100.0 * as_float(*samples) / as_float(whole);
    let name = escaped(symbol.name());
    let _ = write!(
        svg,
        "<g><title>{name} {share:.1} %</title><rect x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>",
        width - 0.4,
        ROW - 1,
        symbol.whose().colour()
    );
    let letters = shortened(symbol.name(), *width);
    if !letters.is_empty() {
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{}\">{}</text>", left + 2.0, top + 11, escaped(&letters));
    }
    svg.push_str("</g>\n");
}

/// As much of a name as there is room for; nothing where that says nothing.
fn shortened(name: &str, width: f64) -> String {
    let room = (0..).take_while(|count| as_float(*count) * LETTER + 4.0 < width).count();
    match room {
        _ if name.chars().count() < room => name.to_owned(),
        0..=4 => String::new(),
        _ => name.chars().take(room - 2).chain(std::iter::once('…')).collect(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[expect(clippy::cast_precision_loss, reason = "a picture has fewer dots than a float has digits")]
fn as_float(count: u64) -> f64 {
    count as f64
}

const WIDTH: f64 = 1200.0;
/// Of a box: thinner ones cannot be seen.
const WIDTH_MIN: f64 = 1.5;
const LETTER: f64 = 6.2;
const ROW: usize = 15;
const ROWS_MAX: usize = 48;
const HEAD: usize = 30;
const MARGIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_as_wide_as_its_share_and_above_its_caller() {
        let whole = Frame::read("1 a::called\n2 b::caller\n\n2 b::caller\n\n3 c::other\n");
        let svg = draw(&whole, "a < b");
        assert!(svg.contains("a &lt; b"));
        let third = WIDTH / 3.0;
        let rect = |left: f64, row: usize, width: f64| {
            format!("<rect x=\"{left:.1}\" y=\"{}\" width=\"{:.1}\"", HEAD + (1 - row) * ROW, width - 0.4)
        };
        for (name, rect) in [
            ("b::caller 66.7 %", rect(0.0, 0, 2.0 * third)),
            ("c::other 33.3 %", rect(2.0 * third, 0, third)),
            ("a::called 33.3 %", rect(0.0, 1, third)),
        ] {
            assert!(svg.contains(&format!("<title>{name}</title>{rect}")), "{name}: {svg}");
        }
    }

    #[test]
    fn names_are_cut_where_there_is_no_room() {
        assert_eq!(shortened("Core::handle_input", 300.0), "Core::handle_input");
        assert_eq!(shortened("Core::handle_input", 60.0), "Core::ha…");
        assert_eq!(shortened("Core::handle_input", 10.0), "");
    }
}
