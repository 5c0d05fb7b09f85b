//! What an installer should know about a configuration that is allowed: said at the start and by
//! `doorward config check`. Pure.

use crate::access::rules::{Group, Rules};
use crate::config::Config;
use crate::presentation::LivenessMode;
use crate::recognition::Security;

/// Remarks on this configuration with these rules, each a sentence; none when all is well.
#[must_use]
pub fn advice(config: &Config, rules: &Rules) -> Vec<String> {
    let remarks = [face_alone(config, rules), pin_unproven(config, rules)];
    remarks.into_iter().flatten().collect()
}

/// A picture is asked for the PIN, where nobody has to prove to be alive.
fn pin_unproven(config: &Config, rules: &Rules) -> Option<String> {
    let asks = |group: &Group| group.pin && covers(group, &config.door.name);
    let (name, _) = rules.groups.iter().find(|(_, group)| asks(group))?;
    (config.liveness.mode == LivenessMode::Off).then(|| {
        format!(
            "`liveness.mode` = \"off\", but the group {name:?} types a PIN: whoever holds up a picture of them is asked for it, and locks them out by wrong ones (docs/access.md)"
        )
    })
}

fn covers(group: &Group, door: &str) -> bool {
    group.doors.is_empty() || group.doors.iter().any(|covered| covered == door)
}

/// A level that one camera cannot carry, where nothing but the face is asked for.
fn face_alone(config: &Config, rules: &Rules) -> Option<String> {
    if config.recognition.security != Security::High {
        return None;
    }
    let door = &config.door.name;
    let groups: Vec<_> = rules
        .groups
        .iter()
        .filter(|(_, group)| !group.pin && covers(group, door))
        .map(|(name, _)| format!("{name:?}"))
        .collect();
    let first = groups.first()?;
    let all = groups.join(", ");
    Some(format!(
        "`recognition.security` = \"high\", but a face alone lets these groups in at {door}: {all}. One RGB camera resists casual attempts only, whatever the threshold (docs/liveness.md): have them type a PIN too (doorward groups set {first} --pin on), or do not count on this level"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(security: Security, groups: &[(&str, bool, &[&str])]) -> Vec<String> {
        let mut config = Config::default();
        config.recognition.security = security;
        let mut rules = Rules::default();
        for (name, pin, doors) in groups {
            let group = Group {
                pin: *pin,
                doors: doors.iter().map(|door| (*door).to_owned()).collect(),
                ..Group::default()
            };
            rules.groups.insert((*name).to_owned(), group);
        }
        advice(&config, &rules)
    }

    #[test]
    fn a_high_level_on_a_face_alone_is_remarked_with_the_groups_and_the_way_out() {
        let groups = [
            ("everyone", false, &[][..]),
            ("staff", true, &[]),
            ("vault", false, &["vault"]),
            ("entrance", false, &["back", "front"]),
        ];
        let said = said(Security::High, &groups);
        let [remark] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(
            remark.contains("at front: \"entrance\", \"everyone\". One RGB"),
            "{remark}"
        );
        assert!(
            remark.contains("groups set \"entrance\" --pin on"),
            "{remark}"
        );
    }

    #[test]
    fn a_pin_that_a_picture_is_asked_for_is_remarked() {
        let mut config = Config::default();
        let mut rules = Rules::default();
        let pin = Group {
            pin: true,
            ..Group::default()
        };
        rules.groups.insert("staff".into(), pin);
        assert_eq!(advice(&config, &rules), [""; 0]);
        config.liveness.mode = LivenessMode::Off;
        let said = advice(&config, &rules);
        assert!(
            said[0].contains("the group \"staff\" types a PIN"),
            "{said:?}"
        );
        rules.groups.insert("staff".into(), Group::default());
        assert_eq!(advice(&config, &rules), [""; 0]);
    }

    #[test]
    fn nothing_is_remarked_where_a_pin_is_asked_for_or_no_more_is_promised() {
        let quiet: [String; 0] = [];
        assert_eq!(said(Security::High, &[]), quiet);
        assert_eq!(said(Security::High, &[("staff", true, &[])]), quiet);
        assert_eq!(said(Security::High, &[("vault", false, &["vault"])]), quiet);
        assert_eq!(said(Security::Standard, &[("everyone", false, &[])]), quiet);
    }
}
