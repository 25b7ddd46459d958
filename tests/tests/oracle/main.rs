//! Formats against foreign tools and against their document.

mod boot_loader;
mod format_doc;
mod signature;
mod table;
mod verity;
