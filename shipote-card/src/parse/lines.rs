//! Lines and columns of a text, for places that are known by their offset.

use alloc::vec::Vec;

/// Where the lines of one text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut starts = alloc::vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        Self { text, starts }
    }

    /// Returns line and column of the byte at `offset`, both from 1; columns count Unicode scalars.
    pub(super) fn line_and_column(&self, offset: usize) -> (u64, u64) {
        let offset = self.floor(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        (line as u64, self.text[start..offset].chars().count() as u64 + 1)
    }

    /// Returns the offset of a line and a column that counts bytes, both from 1.
    pub(super) fn offset_of(&self, line: usize, byte_column: usize) -> usize {
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        self.floor(start.saturating_add(byte_column.saturating_sub(1)))
    }

    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn columns_count_scalars_and_offsets_count_bytes() {
        let lines = Lines::of("a\né = 1\n\n");
        assert_eq!(lines.line_and_column(0), (1, 1));
        assert_eq!(lines.line_and_column(2), (2, 1));
        assert_eq!(lines.line_and_column(5), (2, 3));
        assert_eq!(lines.line_and_column(99), (4, 1));
        assert_eq!(lines.offset_of(2, 4), 5);
    }
}
