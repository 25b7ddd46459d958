//! Formats against foreign tools and against their document.

mod format_doc;
mod signature;
mod table;
mod verity;
