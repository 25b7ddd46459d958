//! The catalogue of GPT cases, one file for each letter of it, and what other readers see of a disk after a cut.

mod acts;
mod bits;
mod cli;
mod copies;
mod cuts;
mod entries;
mod foreign_readers;
mod header;
mod prioritize;
mod selection;
mod validity;
