//! Commands after the database was replaced by its backup: what was taken away stays so, and nobody
//! opens from afar until somebody at the device has looked.

use super::*;

fn mode(mode: ModeWord) -> Command {
    Command::Mode {
        mode,
        until: None,
        for_s: None,
    }
}

fn ruin(site: &Site) {
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(site.door.path(&format!("door.db{suffix}")));
    }
    std::fs::write(site.door.path("door.db"), vec![0xA5; 8192]).unwrap();
}

#[test]
fn a_restored_backup_gives_no_operator_back_what_they_had() {
    let site = Site::new("", TRUSTED);
    assert!(site.door.run(&["db", "backup"]).status.success());
    let mut service = site.start();
    let used = site.token("otto", "used", unlock(), |c| c.exp = c.iat + 60);
    assert_eq!(site.answer(&used)["ok"], true);
    let lockdown = site.genuine("ada", "lockdown", mode(ModeWord::Lockdown));
    assert_eq!(site.answer(&lockdown)["ok"], true);
    // (She could open; in the backup she still can.)
    assert!(
        site.door
            .run(&["operators", "remove", "ada"])
            .status
            .success()
    );
    // Signed before the restoration, and kept back by somebody.
    let withheld = site.token("otto", "withheld", Command::Lock {}, |c| c.exp = c.iat + 60);
    service.signal(Signal::KILL);
    let _ = service.wait();
    ruin(&site);

    let mut service = site.start();
    let before = site.door.transitions().len();
    let removed = site.genuine("ada", "again", unlock());
    assert_eq!(site.refused(&removed), "bad_signature");
    let again = site.refused(&used);
    assert!(["expired", "replayed"].contains(&again.as_str()), "{again}");
    assert_eq!(site.refused(&withheld), "expired");
    std::thread::sleep(Duration::from_millis(1_100));
    let answer = site.answer(&site.genuine("otto", "fresh", unlock()));
    assert_eq!(answer["reason"], "door_refused", "{answer}");
    let told = answer["detail"].as_str().unwrap();
    assert!(told.contains("doorward alarms ack restored"), "{told}");
    // What takes nothing away from the door's safety is carried out, and nobody notes it from afar.
    let lock = site.genuine("otto", "lock", Command::Lock {});
    assert_eq!(site.answer(&lock)["ok"], true);
    let note = Command::Acknowledge {
        alarm: "restored".parse().unwrap(),
        note: None,
    };
    assert_eq!(
        site.refused(&site.genuine("otto", "note", note)),
        "bad_arguments"
    );
    assert_eq!(site.door.transitions().len(), before);
    let stands = &site.door.json(&["mode"])[0];
    assert_eq!(stands["mode"], "lockdown");

    // It outlives a restart, and ends by a word on the device.
    service.signal(Signal::TERM);
    assert!(service.wait().success());
    let service = site.start();
    let answer = site.answer(&site.genuine("otto", "still", unlock()));
    assert_eq!(answer["reason"], "door_refused", "{answer}");
    let noted = site
        .door
        .run(&["alarms", "ack", "restored", "--note", "looked"]);
    assert!(noted.status.success(), "{}", stderr(&noted));
    assert!(site.door.run(&["mode", "schedule"]).status.success());
    std::thread::sleep(Duration::from_millis(1_500));
    let opens = site.genuine("otto", "now", unlock());
    assert_eq!(site.answer(&opens)["ok"], true);
    ended(&site, service);
}
