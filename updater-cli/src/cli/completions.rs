//! The command line of `completions`.

use clap::{Args, ValueEnum};

/// `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: ShellOption,
}

/// A shell whose completions are known.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShellOption {
    /// For /usr/share/bash-completion/completions/updater-cli.
    Bash,
    /// For /usr/share/zsh/vendor-completions/_updater-cli.
    Zsh,
    /// For /usr/share/fish/vendor_completions.d/updater-cli.fish.
    Fish,
}
