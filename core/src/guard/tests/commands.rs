//! Commands against time and in great numbers: a clock that is set, a flood, and what is remembered.

use super::rig::{Disk, Line, Rig};
use crate::command::{Command, ModeWord};
use crate::event::{Alarm, Event};
use crate::guard::{Left, Times, WithoutRecord};

fn door() -> Rig {
    Rig::new(WithoutRecord::Deny)
}

fn unlock() -> Command {
    Command::Unlock {}
}

fn locate() -> Command {
    Command::Locate { seconds: None }
}

#[test]
fn a_command_that_expired_is_not_in_time_again_when_the_clock_steps_back() {
    // By hours, and by less than anybody would call a jump.
    for (passes_s, back_s) in [(7_200, 7_190), (130, 110), (40, 20)] {
        let mut rig = door();
        let withheld = rig.token("ada", "withheld", 0, unlock());
        rig.pass(passes_s * 1_000);
        rig.set_clock(-back_s);
        let answer = rig.answer_to(&withheld);
        assert!(
            ["expired", "clock_untrusted"].contains(&answer.as_str()),
            "{passes_s} s, back by {back_s} s: {answer}"
        );
        // Nor a while later.
        rig.pass(5_000);
        assert_ne!(rig.answer_to(&withheld), "ok");
        assert!(rig.moves.is_empty());
    }
}

#[test]
fn while_the_clock_is_complained_of_no_command_is_carried_out() {
    let mut rig = door();
    rig.set_clock(7_200);
    let told = rig.token("ada", "1", 0, unlock());
    assert_eq!(rig.answer_to(&told), "clock_untrusted");
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::Clock));
    rig.pass(590_000);
    let told = rig.token("ada", "2", 0, unlock());
    assert_eq!(rig.answer_to(&told), "clock_untrusted");
    assert!(rig.moves.is_empty());
    rig.pass(11_000);
    let told = rig.token("ada", "3", 0, unlock());
    assert_eq!(rig.answer_to(&told), "ok");
}

#[test]
fn a_clock_that_is_a_little_behind_its_own_time_keeps_no_operator_out() {
    let mut rig = door();
    rig.set_clock(-20);
    // Of somebody whose clock is right, and of somebody whose clock is the old one.
    for (id, ahead) in [("1", 0), ("2", 20)] {
        let told = rig.token("ada", id, ahead, locate());
        assert_eq!(rig.answer_to(&told), "ok");
    }
}

#[test]
fn a_flood_of_the_lowest_role_keeps_nobody_else_out() {
    let mut rig = door();
    for n in 0..3_000 {
        let token = rig.token("vera", &format!("flood-{n}"), 0, locate());
        rig.signed(&token);
    }
    let told = rig.token("ada", "1", 0, unlock());
    assert_eq!(rig.answer_to(&told), "ok");
    assert!(rig.released());
}

#[test]
fn a_flood_in_an_operators_name_keeps_nobody_out() {
    let mut rig = door();
    // As much as a broker lets one client send, for a minute.
    for second in 0..60 {
        for n in 0..10 {
            for m in 0..20 {
                let forged = rig.forged("ada", &format!("{second}-{n}-{m}"));
                rig.signed(&forged);
            }
            rig.pass(100);
        }
        for name in ["ada", "vera"] {
            let told = rig.token(name, &second.to_string(), 0, locate());
            assert_eq!(rig.answer_to(&told), "ok", "{name} in second {second}");
        }
    }
    // Beyond everything that can be looked at: the others have a share of their own, and whoever
    // is named has it back as soon as it is over.
    for n in 0..5_000 {
        let forged = rig.forged("ada", &n.to_string());
        rig.signed(&forged);
    }
    let told = rig.token("vera", "through", 0, locate());
    assert_eq!(rig.answer_to(&told), "ok");
    rig.pass(1_000);
    let told = rig.token("ada", "after", 0, locate());
    assert_eq!(rig.answer_to(&told), "ok");
}

#[test]
fn a_command_from_an_absurd_time_is_malformed_and_leaves_nothing() {
    let mut rig = door();
    let day = 86_400;
    for (n, from_now) in [day + 60, 400 * day, 200 * 365 * day]
        .into_iter()
        .enumerate()
    {
        let token = rig.token("vera", &format!("absurd-{n}"), from_now, locate());
        assert_eq!(rig.answer_to(&token), "malformed", "{from_now} s");
    }
    assert!(rig.spent.is_empty(), "{:?}", rig.spent);
    // A time zone off is no absurdity: it is remembered until it is over.
    let token = rig.token("vera", "zone", 7_200, locate());
    assert_eq!(rig.answer_to(&token), "from_future");
    assert_eq!(rig.spent.len(), 1);
}

#[test]
fn what_is_remembered_of_one_operator_has_a_limit_and_refused_stays_refused() {
    let mut rig = Rig::with(WithoutRecord::Deny, |settings, _| {
        if let Some(commands) = &mut settings.commands {
            commands.gate.per_minute = 30;
        }
    });
    let mut tokens = Vec::new();
    for n in 0..1_200 {
        let token = rig.token("vera", &format!("flood-{n}"), 3_600, locate());
        rig.signed(&token);
        tokens.push(token);
        rig.pass(100);
    }
    assert!(rig.spent.len() <= 200, "{} rows", rig.spent.len());
    let told = rig.token("ada", "1", 0, locate());
    assert_eq!(rig.answer_to(&told), "ok", "others have their own");
    // What was not remembered does not come true when its time comes.
    rig.jump(rig.now.tick + std::time::Duration::from_secs(3_480));
    rig.read();
    rig.pass(1_000);
    for token in tokens {
        rig.signed(&token);
        rig.pass(100);
    }
    let executed = |line: &&Line| matches!(&line.event, Event::CommandExecuted { operator, .. } if operator == "vera");
    assert_eq!(rig.record.iter().filter(executed).count(), 0);
    // Once it is over she is heard again.
    rig.pass(180_000);
    let told = rig.token("vera", "after", 0, locate());
    assert_eq!(rig.answer_to(&told), "ok");
}

#[test]
fn a_flood_of_repetitions_pushes_nobody_elses_answer_away() {
    let mut rig = door();
    let token = rig.token("vera", "again", 0, locate());
    assert_eq!(rig.answer_to(&token), "ok");
    rig.disk = Disk::Hangs;
    // From here on answers wait until the disk has taken this.
    rig.rex(true);
    rig.command("1", Command::Locate { seconds: Some(0) });
    let answers = rig.answers.len();
    for _ in 0..200 {
        rig.signed(&token);
        rig.pass(5);
    }
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(1_000);
    let answered = rig.answers[answers..].iter();
    let to_ada = answered.filter(|answer| answer.contains(r#""operator":"ada""#));
    assert_eq!(to_ada.count(), 1);
}

#[test]
fn a_clock_that_was_far_ahead_is_believed_again_once_somebody_says_that_it_is_right() {
    let mut rig = door();
    rig.set_clock(86_400);
    rig.pass(1_000);
    rig.set_clock(-86_400);
    rig.pass(700_000);
    let early = rig.token("ada", "early", 0, unlock());
    let told = rig.token("ada", "1", 0, unlock());
    assert_eq!(rig.answer_to(&told), "clock_untrusted");
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::Clock));
    rig.pass(2_000);
    rig.note(Alarm::Clock);
    rig.pass(2_000);
    assert_eq!(rig.answer_to(&early), "expired");
    let told = rig.token("ada", "2", 0, unlock());
    assert_eq!(rig.answer_to(&told), "ok");
    rig.pass(6_000);
    assert!(!rig.guard.alarms().any(|alarm| alarm == Alarm::Clock));
}

/// How often somebody was told of the clock, which is how often they can take note of that.
fn told_of_the_clock(rig: &Rig) -> usize {
    let told = |line: &&Line| matches!(&line.event, Event::AlarmRaised { alarm, .. } if *alarm == Alarm::Clock);
    rig.record.iter().filter(told).count()
}

#[test]
fn who_took_note_too_early_can_say_once_more_that_the_clock_is_right() {
    let mut rig = door();
    rig.set_clock(400 * 86_400);
    rig.pass(1_000);
    assert_eq!(told_of_the_clock(&rig), 1);
    rig.note(Alarm::Clock);
    rig.pass(60_000);
    // Set right while the alarm stands for the jump.
    rig.set_clock(-400 * 86_400);
    rig.pass(1_000);
    assert_eq!(told_of_the_clock(&rig), 2, "a new word is needed");
    rig.pass(700_000);
    assert_eq!(told_of_the_clock(&rig), 2, "and told of once");
    let told = rig.token("ada", "1", 0, unlock());
    assert_eq!(rig.answer_to(&told), "clock_untrusted");
    rig.note(Alarm::Clock);
    rig.pass(2_000);
    let told = rig.token("ada", "2", 0, unlock());
    assert_eq!(rig.answer_to(&told), "ok");
}

#[test]
fn a_word_that_does_not_help_is_asked_for_again_after_a_restart() {
    let wall = Rig::new(WithoutRecord::Deny).now.wall;
    let later = |s| wall + jiff::SignedDuration::from_secs(s);
    let left = Left {
        alarms: vec![Alarm::Clock],
        times: Times {
            newest: Some(later(7_200)),
            noted: Some(later(7_000)),
            not_before: Some(later(7_000)),
        },
        ..Left::default()
    };
    let rig = Rig::after(WithoutRecord::Deny, left, |_, _| {});
    assert_eq!(told_of_the_clock(&rig), 1);
}

#[test]
fn what_the_record_knows_of_time_counts_after_a_restart() {
    let newest = Rig::new(WithoutRecord::Deny).now.wall + jiff::SignedDuration::from_secs(3_600);
    let times = Times {
        newest: Some(newest),
        ..Times::default()
    };
    let mut rig = Rig::after(
        WithoutRecord::Deny,
        Left {
            times,
            ..Left::default()
        },
        |_, _| {},
    );
    let told = rig.token("ada", "1", 0, unlock());
    assert_eq!(rig.answer_to(&told), "clock_untrusted");
    assert!(rig.moves.is_empty());
}

#[test]
fn after_a_restoration_operators_open_nothing_until_somebody_at_the_device_has_looked() {
    let restored = Rig::new(WithoutRecord::Deny).now.wall;
    let left = Left {
        alarms: vec![Alarm::Restored],
        times: Times {
            not_before: Some(restored),
            ..Times::default()
        },
        ..Left::default()
    };
    let mut rig = Rig::after(WithoutRecord::Deny, left, |_, _| {});
    let before = rig.token("ada", "before", -20, locate());
    assert_eq!(rig.answer_to(&before), "expired");
    rig.pass(60_000);
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::Restored));
    let unlocked = Command::Mode {
        mode: ModeWord::Unlocked,
        until: None,
        for_s: Some(60),
    };
    for (id, command) in [("1", unlock()), ("2", unlocked)] {
        let told = rig.token("ada", id, 0, command);
        assert_eq!(rig.answer_to(&told), "door_refused");
        let answer = rig.answers.last().unwrap();
        assert!(answer.contains("doorward alarms ack restored"), "{answer}");
    }
    rig.plain("OPEN");
    assert!(rig.moves.is_empty());
    for (id, command) in [("3", Command::Lock {}), ("4", locate())] {
        let told = rig.token("ada", id, 0, command);
        assert_eq!(rig.answer_to(&told), "ok");
    }
    let early = rig.token("ada", "early", 0, unlock());
    rig.pass(2_000);
    rig.note(Alarm::Restored);
    rig.pass(2_000);
    assert!(!rig.guard.alarms().any(|alarm| alarm == Alarm::Restored));
    assert_eq!(rig.answer_to(&early), "expired");
    rig.command("5", unlock());
    assert!(rig.released());
    // People are let in all the time.
    rig.pass(20_000);
    rig.claim(1);
    assert!(rig.released());
}
