//! Server-sent events out of bytes, however the bytes are cut.

/// Reads the `data` of server-sent events; all other fields are of no use here.
///
/// An event counts once its blank line has come; what a cut stream leaves half said is dropped.
#[derive(Debug)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    data: Option<String>,
    after_carriage_return: bool,
    max_event_bytes: usize,
}

/// Why a stream of events is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    /// One event is longer than allowed.
    #[error("an event of the stream is too long")]
    TooLong,
    /// A line is not UTF-8.
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

// === impl SseParser ===

impl SseParser {
    /// Reads events of at most this many bytes.
    pub(crate) const fn new(max_event_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            data: None,
            after_carriage_return: false,
            max_event_bytes,
        }
    }

    /// Takes the next bytes; returns the data of the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, SseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            let ends_a_pair = std::mem::replace(&mut self.after_carriage_return, byte == b'\r') && byte == b'\n';
            match byte {
                _ if ends_a_pair => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.held_bytes() >= self.max_event_bytes => return Err(SseError::TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn held_bytes(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, String::len)
    }

    /// Ends the line; a blank one ends the event.
    fn end_line(&mut self) -> Result<Option<String>, SseError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let line = str::from_utf8(&line).map_err(|_| SseError::NotUtf8)?;
        let value = match line.split_once(':') {
            Some(("data", value)) => value.strip_prefix(' ').unwrap_or(value),
            None if line == "data" => "",
            _ => return Ok(None),
        };
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, SseError> {
        let mut parser = SseParser::new(1024);
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(parser.push(piece)?);
        }
        Ok(events)
    }

    #[test]
    fn events_are_told_apart_by_blank_lines_of_any_kind() {
        let stream = b": hello\ndata: a\n\ndata:b\r\n\r\nevent: x\rdata:  c\rdata\rdata:d\r\rid: 7\n\ndata: half";
        assert_eq!(parse([stream.as_slice()]).unwrap(), ["a", "b", " c\n\nd"]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        assert_eq!(parse([[b'x'; 1025].as_slice()]), Err(SseError::TooLong));
        let lines = b"data: 0123456789\n".repeat(200);
        assert_eq!(parse([lines.as_slice()]), Err(SseError::TooLong));
    }

    #[test]
    fn a_line_that_is_not_utf8_is_refused() {
        assert_eq!(parse([b"data: \xff\n".as_slice()]), Err(SseError::NotUtf8));
    }

    proptest! {
        #[test]
        fn any_cutting_of_the_bytes_gives_the_same_events(
            lines in prop::collection::vec(("(data: ?|: |id: |)[ -~é☃]{0,12}", "\n|\r|\r\n|\n\n|\r\n\r\n"), 0..24),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            let stream: String = lines.into_iter().map(|(line, end)| line + &end).collect();
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            prop_assert_eq!(parse(pieces), parse([bytes]));
        }

        #[test]
        fn no_bytes_make_it_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let outcome = parse([bytes.as_slice()]);
            prop_assert!(matches!(outcome, Ok(_) | Err(SseError::NotUtf8)));
        }
    }
}
