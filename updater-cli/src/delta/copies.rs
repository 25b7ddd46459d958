//! A chunk whose blocks are all in the old image, in ascending order: nothing but runs.

use libupdate::units::limits::DELTA_RUNS;

use super::Run;
use super::body::push;
use super::index::Index;

/// Runs that are, by the hints of its blocks, exactly the chunk.
pub fn copies(index: &Index, hints: impl Iterator<Item = u64>) -> Option<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut end = 0;
    for hint in hints {
        // The next one after the last, if it is the same; else the first that is.
        let known = index.blocks_with(hint);
        let (_, block) = *known.get(known.partition_point(|(_, block)| *block < end)..)?.first()?;
        end = block.checked_add(1)?;
        push(&mut runs, Run { start: block, end });
    }
    (!runs.is_empty() && runs.len() <= DELTA_RUNS).then_some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::BLOCK;
    use crate::delta::tests::run;

    /// An index of blocks with these hints.
    fn index(hints: &[u64]) -> Index {
        let mut index = Index::new(1);
        for hint in hints {
            let digest = [hint.to_le_bytes(), [0; 8], [0; 8], [0; 8]].concat();
            index.take(&[0; BLOCK], &digest);
        }
        index.sorted()
    }

    #[test]
    fn runs_are_followed_and_repetitions_are_found() {
        let old = index(&[7, 1, 2, 7, 3, 4, 7, 7, 5]);
        let found = |hints: &[u64]| copies(&old, hints.iter().copied());
        assert_eq!(found(&[1, 2, 7, 3]), Some(vec![run(1, 5)]));
        assert_eq!(found(&[7, 7, 7]), Some(vec![run(0, 1), run(3, 4), run(6, 7)]));
        assert_eq!(found(&[2, 4, 5]), Some(vec![run(2, 3), run(5, 6), run(8, 9)]));
        assert_eq!(found(&[4, 7, 7, 5]), Some(vec![run(5, 9)]));
        assert_eq!(found(&[2, 1]), None, "they descend");
        assert_eq!(found(&[1, 9]), None, "one is new");
        assert_eq!(found(&[1, 1]), None, "one is there once");
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn more_runs_than_a_body_has_are_none() {
        let old = index(&(0..200).collect::<Vec<_>>());
        assert!(copies(&old, (0..64).map(|at| 2 * at)).is_some());
        assert_eq!(copies(&old, (0..65).map(|at| 2 * at)), None);
    }
}
