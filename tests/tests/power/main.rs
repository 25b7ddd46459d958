//! Cuts of power. `laboratory` uses every processor and is run alone, after the others: tests/parts/power.sh.

mod across;
mod alive;
mod asked;
mod doc;
mod emmc;
mod laboratory;
mod loader;
mod memory;
mod mutants;
mod powered;
mod tryboot;
