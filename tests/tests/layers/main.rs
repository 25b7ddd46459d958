//! The floors of the core, the house style, and the counting of `tests/run`.

mod floors;
mod house;
mod tally;
