//! What an installer is told of a configuration that is allowed.

use crate::support::door::{Door, stderr};

#[test]
fn a_high_level_where_a_face_alone_lets_in_is_remarked_at_the_start_and_in_the_check() {
    let door = Door::new(
        "[camera]\nsource = \"folder\"\npath = \".\"\n[recognition]\nsecurity = \"high\"\n",
    );
    let check = || {
        let output = door.run(&["config", "check"]);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    // Nothing is made by a look.
    assert!(!check().contains("warning"));
    assert!(!door.path("door.db").exists());
    assert!(door.run(&["groups", "set", "everyone"]).status.success());
    let said = check();
    assert!(
        said.contains("warning: `recognition.security` = \"high\""),
        "{said}"
    );
    assert!(said.contains("\"everyone\" --pin on"), "{said}");
    let json = &door.json(&["config", "check"])[0];
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    let mut service = door.start();
    service.wait_for("a face alone lets these groups in at front");
    drop(service);
    assert!(
        door.run(&["groups", "set", "everyone", "--pin", "on"])
            .status
            .success()
    );
    assert!(!check().contains("warning"));
}
