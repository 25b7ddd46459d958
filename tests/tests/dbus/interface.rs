//! The interface that the service shows is the one that RAUC's package describes: Debian's `rauc-service` has it as a file.

use std::collections::BTreeMap;

use tests::bus::Bus;
use tests::device::Device;
use tests::tool;

/// Where rauc-service puts it.
const OF_RAUC: &str = "/usr/share/dbus-1/interfaces/de.pengutronix.rauc.Installer.xml";
/// Later than the version in Debian 12.
const LATER: &str = "InspectBundle";

/// Members of RAUC's interface: their kinds, and the directions and types of their arguments, as xmllint lists them.
fn members(file: &str) -> BTreeMap<String, Vec<String>> {
    let interface = "//interface[@name='de.pengutronix.rauc.Installer']";
    let list = |path: &str| -> Vec<String> {
        let shown = tool::output("xmllint", &["--nonet", "--xpath", path, file]);
        let text = String::from_utf8(shown.stdout).expect("it is text");
        text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let names = list(&format!("{interface}/*/@name"));
    let of = |name: String| {
        let member = format!("{interface}/*[@name='{name}']");
        let facts = ["/arg[@direction='in']/@type", "/arg[@direction='out']/@type", "/@type", "/@access"];
        let mut found: Vec<String> = facts.iter().map(|fact| list(&format!("{member}{fact}")).join(" ")).collect();
        // A signal's arguments have no direction.
        found.push(list(&format!("{member}/arg[not(@direction)]/@type")).join(" "));
        (name, found)
    };
    names.into_iter().map(of).collect()
}

#[test]
fn every_member_of_rauc_is_there_with_its_types() {
    let device = Device::new().booted("a");
    let bus = Bus::for_device(&device);
    let line = ["gdbus", "introspect", "--system", "--xml", "-d", "de.pengutronix.rauc", "-o", "/"];
    let shown = device.put_file("shown.xml", bus.client(&line).well().as_bytes());
    // Comments are in it, too.
    drop(tool::run_silent("xmllint", &["--nonet", "--noout", shown.to_str().expect("paths of tests are UTF-8")]));
    let (wanted, mut found) = (members(OF_RAUC), members(shown.to_str().expect("paths of tests are UTF-8")));
    assert!(wanted.len() > 12 && wanted["Mark"] == ["s s", "s s", "", "", ""], "{wanted:?}");
    assert_eq!(found.remove(LATER), Some(["s a{sv}", "a{sv}", "", "", ""].map(str::to_owned).to_vec()));
    assert_eq!(found, wanted);
}
