//! A bundle that `bundle create` has told of survives a cut: the file is flushed, then named, then its name is flushed.

use std::fs;

use tests::answer::Exit;
use tests::cli::Cli;

#[test]
fn the_file_is_flushed_before_it_has_its_name_and_the_name_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("image"), [7; 5000]).unwrap();
    for more in [&["-o", &path("bundle")][..], &["--detached"]] {
        let create = Cli::new(&["bundle", "create", "--compatible", "acme-box", "--version", "1.0"]);
        let create = create.and(&["--image", &path("image")]).and(more);
        let strace = ["strace", "-f", "-qqq", "-y", "-o", &path("log"), "-e", "trace=fsync,/^rename"];
        create.under(&strace).run().exits(Exit::Done);
        let log = fs::read_to_string(path("log")).unwrap();
        // A thread that ends with the program, in the middle of a call that nobody traces.
        let log = log.lines().filter(|line| !line.contains("<detached")).collect::<Vec<_>>().join("\n");
        let [file, name, flush] = log.lines().collect::<Vec<_>>()[..] else { panic!("other calls:\n{log}") };
        assert!(file.contains(" fsync(") && file.contains(".tmp>)"), "{log}");
        assert!(name.contains(" rename"), "{log}");
        assert!(flush.contains(" fsync(") && flush.contains(&format!("<{}>)", folder.path().display())), "{log}");
        assert!(log.lines().all(|line| line.ends_with(" = 0")), "{log}");
    }
}
