//! The real program, killed and failed.

mod fault;
mod killed;
