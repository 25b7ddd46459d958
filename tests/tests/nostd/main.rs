//! The core where there is no Rust around it: a machine without operating system, a program in C.

mod c;
mod firmware;
