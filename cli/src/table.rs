//! Tables of text: columns as wide as their widest cell.

use crate::console::{Palette, Tone};

/// A table; the last column is not padded.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Cell {
    width: usize,
    shown: String,
}

// === impl Table ===

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            headings: headings.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of texts, each with its coloured form if it has one. Texts must have been escaped.
    pub(crate) fn row(&mut self, cells: &[(&str, Option<String>)]) {
        let cells = cells.iter().map(|(text, coloured)| Cell {
            width: text.chars().count(),
            shown: coloured.clone().unwrap_or_else(|| (*text).to_owned()),
        });
        self.rows.push(cells.collect());
    }

    pub(crate) fn into_text(self, palette: Palette) -> String {
        let headings: Vec<Cell> = self
            .headings
            .iter()
            .map(|heading| Cell {
                width: heading.chars().count(),
                shown: palette.paint(Tone::Faint, heading),
            })
            .collect();
        let rows: Vec<&Vec<Cell>> = std::iter::once(&headings).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..headings.len())
            .map(|column| {
                rows.iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.width)
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        rows.iter().map(|row| line(row, &widths)).collect::<Vec<_>>().join("\n")
    }
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let last = row.len().saturating_sub(1);
    let cells = row.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
        let padding = if index == last {
            0
        } else {
            width.saturating_sub(cell.width)
        };
        format!("{}{}", cell.shown, " ".repeat(padding))
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_their_colour() {
        let palette = Palette::new(true);
        let mut table = Table::new(&["A", "RISK", "TEXT"]);
        table.row(&[("long one", None), ("RED", Some(palette.word("RED"))), ("x", None)]);
        table.row(&[("é", None), ("GREEN", Some(palette.word("GREEN"))), ("", None)]);
        let plain = table
            .into_text(palette)
            .replace("\u{1B}[0m", "")
            .replace("\u{1B}[2m", "");
        let plain = plain.replace("\u{1B}[31m", "").replace("\u{1B}[32m", "");
        assert_eq!(plain, "A         RISK   TEXT\nlong one  RED    x\né         GREEN");
    }
}
