//! Listings that come page by page.

use crate::error::CliError;

const LARGEST_PAGE: u32 = 1_000;

/// Asks `next` for page after page, by size and token, until there are `limit` items or no more pages; says whether there
/// may be more. A page may be empty and not the last. Without a limit, the part chooses the sizes.
pub(crate) async fn collect<T>(
    limit: Option<u32>,
    mut next: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), CliError>,
) -> Result<(Vec<T>, bool), CliError> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let got = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let missing = limit.map(|limit| limit.saturating_sub(got));
        if missing == Some(0) {
            return Ok((items, true));
        }
        let size = missing.map_or(0, |missing| missing.min(LARGEST_PAGE));
        let (page, after) = next(size.cast_signed(), token).await?;
        items.extend(page);
        if after.is_empty() {
            return Ok((items, false));
        }
        token = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for, and what comes of it, when the pages hold this much.
    async fn asked(limit: Option<u32>, pages: &[usize]) -> (Vec<(i32, String)>, usize, bool) {
        let mut asked = Vec::new();
        let (items, more) = collect(limit, async |size, token| {
            asked.push((size, token));
            let last = asked.len() == pages.len();
            let after = if last { String::new() } else { asked.len().to_string() };
            Ok((vec![(); pages[asked.len() - 1]], after))
        })
        .await
        .unwrap();
        (asked, items.len(), more)
    }

    #[tokio::test]
    async fn pages_are_asked_for_until_there_are_enough_or_no_more() {
        let calls = |calls: &[(i32, &str)]| -> Vec<_> {
            calls.iter().map(|(size, token)| (*size, (*token).to_owned())).collect()
        };
        assert_eq!(asked(Some(50), &[3]).await, (calls(&[(50, "")]), 3, false));
        assert_eq!(asked(Some(2), &[2, 9]).await, (calls(&[(2, "")]), 2, true));
        assert_eq!(
            asked(Some(1_500), &[1_000, 400, 9]).await,
            (calls(&[(1_000, ""), (500, "1"), (100, "2")]), 1_409, false)
        );
        assert_eq!(asked(None, &[7, 7]).await, (calls(&[(0, ""), (0, "1")]), 14, false));
    }

    #[tokio::test]
    async fn an_empty_page_is_not_the_last() {
        assert_eq!(asked(Some(5), &[0, 0, 1]).await.1, 1);
    }
}
