//! Packs of the tests: an extension image, and the bundle that carries it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::answer::Exit;
use crate::cli::Cli;
use crate::guest_kit::{COMPATIBLE, Kit};
use crate::root_image::noise;
use crate::tool;
use crate::workshop::Workshop;

/// A pack in the making.
#[derive(Debug)]
pub struct Pack {
    name: String,
    level: u32,
    fits: u32,
    tree: tempfile::TempDir,
    options: Vec<String>,
    keys: Option<Vec<&'static str>>,
    kib: usize,
}

impl Pack {
    /// A pack for version 1 with a file that tells its name, and some bytes.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    #[must_use]
    pub fn named(name: &str, level: u32) -> Self {
        let tree = tempfile::tempdir().expect("the temporary folder can be written");
        let pack = Self { name: name.to_owned(), level, fits: 1, tree, options: Vec::new(), keys: None, kib: 300 };
        let release = format!("usr/lib/extension-release.d/extension-release.{name}");
        pack.file(&release, "ID=_any\n").file("usr/share/hotfix", name)
    }

    /// With a file.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder can be written");
        fs::write(path, text).expect("the folder can be written");
        self
    }

    /// With whatever else is done to its folder.
    #[must_use]
    pub fn with_tree(self, change: impl FnOnce(&Path)) -> Self {
        change(self.tree.path());
        self
    }

    /// For systems of another major version.
    #[must_use]
    pub const fn fits(mut self, major: u32) -> Self {
        self.fits = major;
        self
    }

    /// With so many KiB that do not compress.
    #[must_use]
    pub const fn kib(mut self, kib: usize) -> Self {
        self.kib = kib;
        self
    }

    /// With more options of `bundle create`.
    #[must_use]
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Signed by these keys.
    #[must_use]
    pub fn keys(mut self, keys: &[&'static str]) -> Self {
        self.keys = Some(keys.to_vec());
        self
    }

    /// Its image, the same for the same folder.
    ///
    /// # Panics
    /// Where `mksquashfs` fails.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        if self.kib > 0 {
            let bytes = noise(&self.name, self.kib << 10);
            fs::write(self.tree.path().join("usr/share").join(&self.name), bytes).expect("the folder can be written");
        }
        let image = self.tree.path().with_extension("squashfs");
        let [tree, out] = [self.tree.path(), &image].map(|path| path.to_str().expect("paths of tests are UTF-8"));
        let options = ["-noappend", "-no-progress", "-quiet", "-mkfs-time", "0", "-all-time", "0"];
        tool::run("mksquashfs", &[&[tree, out], &options[..]].concat());
        image
    }

    /// The words of `bundle create` for it.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let own = ["--pack", &self.name, "--level", &self.level.to_string(), "--fits", &self.fits.to_string()]
            .map(str::to_owned);
        [&own[..], &self.options].concat()
    }

    /// Makes its bundle for a board of guests, signed by the guests' key.
    ///
    /// # Panics
    /// Where `bundle create` fails.
    #[must_use]
    pub fn for_guests(&self, kit: &Kit) -> PathBuf {
        let image = self.image();
        let out = kit.path(&format!("{}-{}.pack", self.name, self.level));
        let [image_text, out_text, key] = [&image, &out, &kit.path("maker.key")].map(|path| path.display().to_string());
        Cli::new(&["bundle", "create", "--quiet", "--force", "--image", &image_text, "--version", "1", "--compatible"])
            .and(&[COMPATIBLE, "--key", &key, "-o", &out_text])
            .and(&self.words())
            .run()
            .exits(Exit::Done);
        fs::remove_file(image).expect("it was made");
        out
    }

    /// Makes its bundle.
    ///
    /// # Panics
    /// Where `bundle create` fails.
    #[must_use]
    pub fn make(&self, workshop: &Workshop) -> String {
        let image = self.image();
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let recipe = workshop.release(1).image(&image).version(&format!("{}.{}", self.fits, self.level)).with(&words);
        let recipe = match &self.keys {
            Some(keys) => recipe.keys(keys),
            None => recipe,
        };
        let bundle = recipe.create();
        fs::remove_file(image).expect("it was made");
        bundle.to_str().expect("paths of tests are UTF-8").to_owned()
    }
}
