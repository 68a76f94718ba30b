//! Text in figures: how wide it is, where it breaks, where it covers least.

/// Size of labels in a figure.
pub(super) const FONT: f64 = 12.0;

/// About how wide a text is: the mean advance of the usual sans-serif fonts.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.57
}

/// Lines of words, none wider than `width` if no word is.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && text_width(line, size) + text_width(word, size) > width {
            lines.push(word.to_string());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A rectangle: left, top, right, bottom.
pub(super) type Area = [f64; 4];

/// What of a figure is taken, for labels to keep clear of.
#[derive(Debug)]
pub(super) struct Labels {
    pub edges: Area,
    taken: Vec<Area>,
}

/// Where a label went.
#[derive(Debug)]
pub(super) struct Placed {
    /// Its middle.
    pub centre: (f64, f64),
    /// The point of its rectangle next to what it names, where it went so far that a line must lead there.
    pub leader: Option<(f64, f64)>,
}

impl Labels {
    /// Nothing is taken yet between these edges.
    pub fn within(edges: Area) -> Labels {
        Labels { edges, taken: Vec::new() }
    }

    pub fn take(&mut self, taken: Area) {
        self.taken.push(taken);
    }

    /// Takes the place for a label of (x, y) where it covers least.
    pub fn place(&mut self, text: &str, (x, y): (f64, f64)) -> Placed {
        let [left, top, right, bottom] = self.edges;
        let (width, half) = (text_width(text, FONT), FONT * 0.62);
        let least = left + width / 2.0 + 2.0;
        let most = (right - width / 2.0 - 2.0).max(least);
        let mut best: (f64, Area, f64) = (f64::INFINITY, [x, y, x, y], 0.0);
        for reach in [11.0, 20.0, 32.0, 46.0, 62.0, 80.0] {
            for angle in [0.0, 180.0, 270.0, 90.0, 330.0, 30.0, 210.0, 150.0f64] {
                let (sin, cos) = angle.to_radians().sin_cos();
                let cx = x + cos * (reach + width / 2.0 * cos.abs());
                let cy = y + sin * (reach + 2.0);
                let inside = cx.clamp(least, most);
                let place = [inside - width / 2.0, cy - half, inside + width / 2.0, cy + half];
                let out = (top - place[1]).max(0.0) + (place[3] - bottom).max(0.0);
                let cover: f64 = self.taken.iter().map(|taken| overlap(&place, taken)).sum();
                let cost = cover * 10.0 + out * 400.0 + reach + (inside - cx).abs();
                if cost < best.0 {
                    best = (cost, place, reach);
                }
            }
        }
        let (_, place, reach) = best;
        self.taken.push(place);
        Placed {
            centre: ((place[0] + place[2]) / 2.0, (place[1] + place[3]) / 2.0),
            leader: (reach > 20.0).then(|| (x.clamp(place[0], place[2]), y.clamp(place[1], place[3]))),
        }
    }
}

fn overlap(a: &Area, b: &Area) -> f64 {
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    width * height
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_points_close_together_do_not_cover_each_other() {
        let mut labels = Labels::within([0.0, 0.0, 400.0, 300.0]);
        let mut boxes: Vec<Area> = Vec::new();
        for i in 0..8 {
            let text = format!("model-{i}");
            let (cx, cy) = labels.place(&text, (200.0 + f64::from(i), 150.0)).centre;
            let (width, half) = (text_width(&text, FONT) / 2.0, FONT * 0.62);
            boxes.push([cx - width, cy - half, cx + width, cy + half]);
        }
        for (i, a) in boxes.iter().enumerate() {
            assert!(a[0] >= 0.0 && a[1] >= 0.0 && a[2] <= 400.0 && a[3] <= 300.0, "{a:?}");
            assert!(boxes[i + 1..].iter().all(|b| overlap(a, b) < 1.0), "{boxes:?}");
        }
    }

    #[test]
    fn a_label_wider_than_the_figure_still_has_a_place() {
        let mut labels = Labels::within([0.0, 0.0, 50.0, 50.0]);
        let placed = labels.place(&"x".repeat(400), (10.0, 10.0));
        assert!(placed.centre.0.is_finite() && placed.centre.1.is_finite());
        assert_eq!(wrap("one two three", 10.0, 45.0), ["one two", "three"]);
        assert_eq!(wrap("", 10.0, 45.0), [""]);
    }
}
