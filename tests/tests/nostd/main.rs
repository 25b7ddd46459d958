//! The core on a machine without operating system.

mod firmware;
