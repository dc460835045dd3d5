//! "Did you mean": the candidate that a typing error most likely meant.

/// The candidate nearest to `typed`, where it is near enough to be meant.
pub(super) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let distances = candidates.into_iter().map(|candidate| (distance(&typed, candidate), candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters may be wrong, and at least one.
    (distance <= (candidate.chars().count() / 3).max(1)).then_some(candidate)
}

/// Edit distance in which two swapped neighbours count once (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if swapped {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_a_slip_and_a_plural_are_understood() {
        assert_eq!(nearest("chian", ["chain", "key", "roots"]), Some("chain"));
        assert_eq!(nearest("domain", ["domains", "edge", "data"]), Some("domains"));
        assert_eq!(nearest("Edge", ["domains", "edge", "data"]), Some("edge"));
        assert_eq!(nearest("serves", ["servers"]), Some("servers"));
    }

    #[test]
    fn what_is_far_from_everything_is_not_guessed() {
        assert_eq!(nearest("colour", ["domains", "edge", "data"]), None);
        assert_eq!(nearest("", ["key"]), None);
    }
}
