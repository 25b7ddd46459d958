//! A boot loader that chooses by itself: each act cut between and inside the slot bits and the loader's store.

use tests::board::{Board, Model};
use tests::loader_lab::{Count, LoaderLab};
use tests::loader_store::{Kind, Store};
use tests::models::{PLAIN, SMALL};

const BOARDS: [Model; 2] = [PLAIN, SMALL[1]];
const KINDS: [Kind; 2] = [Kind::Counts, Kind::Flag];
/// Distinct crash images that a run must judge at least.
const IMAGES: usize = 5_000;

fn each_lab(mut each: impl FnMut(&str, &mut LoaderLab<'_>)) {
    for model in BOARDS {
        let board = Board::new(model);
        for kind in KINDS {
            let mut lab = LoaderLab::new(&board, Store::of(&board, kind), 29);
            each(&format!("{}, {kind:?}", model.name), &mut lab);
        }
    }
}

#[test]
fn every_cut_between_bits_and_store_boots_and_is_reconciled() {
    let mut all = Count::default();
    each_lab(|name, lab| {
        for case in lab.cases() {
            let count = lab.cut(&case).unwrap_or_else(|why| panic!("{name}: {why}"));
            all.images += count.images;
            all.again += count.again;
            all.lives += count.lives;
        }
    });
    eprintln!(
        "result: a boot loader's store: {} crash images, 0 dead, 0 mixed; {} acts again, {} lives without a confirmation",
        all.images, all.again, all.lives
    );
    assert!(all.images >= IMAGES, "{all:?}");
}

#[test]
fn an_act_after_one_that_was_killed_with_its_writes_in_the_cache() {
    let mut images = 0;
    each_lab(|name, lab| {
        for case in lab.cases() {
            images += lab.across(&case).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
    });
    eprintln!("result: a boot loader's store, across acts with a dirty cache: {images} crash images, 0 dead, 0 mixed");
    assert!(images >= IMAGES, "{images}");
}

#[test]
fn an_act_of_which_a_write_fails_is_done_again() {
    each_lab(|name, lab| {
        for case in lab.cases() {
            let writes = lab.fail(&case).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(writes > 0, "{name}: {}", case.name);
        }
    });
}
