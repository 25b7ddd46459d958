//! The delivered file.
