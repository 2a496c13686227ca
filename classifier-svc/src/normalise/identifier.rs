//! Identifiers: a UUID (RFC 9562 §4) names a thing and says nothing of what is asked, whatever letters it is made of.

/// Bytes of a UUID's text.
const LENGTH: usize = 36;
/// Where its hyphens stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether a word is a UUID.
pub(crate) fn is_uuid(word: &str) -> bool {
    word.len() == LENGTH && uuid(word.as_bytes(), 0).is_some()
}

/// Where the UUID that begins at a word's start ends, if one does: `258112d6-3136-4850-958a-75ed90453a26`.
#[inline]
pub(super) fn uuid(bytes: &[u8], at: usize) -> Option<usize> {
    // Nearly every word is ruled out by the first hyphen.
    if bytes.get(at + HYPHENS[0]) != Some(&b'-') {
        return None;
    }
    let shaped = |(index, byte): (usize, &u8)| match byte {
        b'-' => HYPHENS.contains(&index),
        _ => byte.is_ascii_hexdigit() && !HYPHENS.contains(&index),
    };
    let end = at + LENGTH;
    let ends = bytes
        .get(end)
        .is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'_' && *next < 0x80);
    (ends && bytes.get(at..end)?.iter().enumerate().all(shaped)).then_some(end)
}
