//! What the documents say is so.

mod links;
mod picture;
mod readme;
