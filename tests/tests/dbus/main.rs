//! The D-Bus service, as its clients see it: RAUC's own client, and GLib's.

mod hostile;
mod interface;
mod polkit;
mod rauc_client;
mod shipped;
mod updater;
