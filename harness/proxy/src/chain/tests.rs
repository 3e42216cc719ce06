//! Chains in virtual time: order, live changes, coins, triggers and what is told.
//!
//! What one toxic does is tested beside it, what holds of all of them in `properties`.

use std::time::Duration;

use super::line::{Line, attributes, left};
use crate::{
    spec::Direction,
    tape::Effect,
    toxics::{self, Admission, Cut, Item, Value},
    trigger::Trigger,
};

fn trigger(members: &[(&str, i64)]) -> Trigger {
    let mut trigger = Trigger::default();
    for (name, number) in members {
        trigger.set(name, *number).unwrap();
    }
    trigger
}

#[test]
fn toxics_act_in_order_of_creation_and_what_is_removed_makes_room() {
    let mut line = Line::with("latency", &[("latency", 100)]);
    line.add("bandwidth", &[("rate", 1)]);
    line.add("slow_close", &[("delay", 50)]);
    line.give([0; 30]);
    line.end();
    assert_eq!(line.until(1000).sizes(), [(130, 30), (180, 0)]);

    let mut line = Line::with("latency", &[("latency", 100)]);
    line.add("bandwidth", &[("rate", 0)]);
    line.give("a");
    line.until(150).give("b");
    line.until(200).remove(1);
    assert_eq!(line.until(1000).left(), left([(200, "a"), (250, "b")]));
}

#[test]
fn behind_a_cut_nothing_comes() {
    let mut line = Line::with("latency", &[("latency", 100)]);
    line.add("timeout", &[]);
    line.add("latency", &[("latency", 50)]);
    line.give("a");
    // The cut goes at once, as an end does; what the first latency holds is lost with the connection.
    line.until(10).remove(1);
    assert_eq!(line.until(1000).left(), left([(10, "x")]));
    assert!(!line.wants_input());
    line.add("timeout", &[("timeout", 1)]);
    line.remove(0);
    assert_eq!(line.until(2000).out.len(), 1);
}

#[test]
fn a_reset_stays_a_reset_through_later_toxics() {
    for kind in
        ["timeout", "latency", "bandwidth", "slow_close", "limit_data", "slicer", "packet_loss", "corrupt"]
    {
        let mut line = Line::with(kind, &[]);
        line.item(Item::Cut(Cut::Reset));
        assert_eq!(line.until(10).left(), left([(0, "!")]), "{kind}");
    }
}

#[test]
fn a_coin_is_sticky_and_tossed_again_with_its_own_toxicity_only() {
    let acts = |line: &mut Line| {
        let before = line.out.len();
        line.give("a");
        line.out.len() == before
    };
    let kind = toxics::find("latency").unwrap();
    let mut outcomes = Vec::new();
    for connection in 1..=64 {
        let mut line = Line::of(7, "proxy", connection, Direction::Upstream);
        line.place("late", kind, attributes(kind, &[("latency", 1000)]), 0.5, Trigger::default());
        let first = acts(&mut line);
        // Neighbours come and go, the toxic itself is updated: nothing is tossed.
        line.add("noop", &[]);
        line.update(0, &[("latency", 2000)]);
        line.remove(1);
        assert_eq!(acts(&mut line), first);
        line.toss(0, 0.4999);
        let second = acts(&mut line);
        line.toss(0, 0.0);
        assert!(!acts(&mut line));
        line.toss(0, 7.5);
        assert!(acts(&mut line));
        outcomes.push((first, second));
    }
    for wanted in [(true, true), (true, false), (false, true), (false, false)] {
        assert!(outcomes.contains(&wanted), "{wanted:?} of {outcomes:?}");
    }
}

#[test]
fn a_coin_that_turns_lets_go_of_what_was_held() {
    let mut line = Line::with("latency", &[("latency", 1000)]);
    line.give("a");
    line.until(10).toss(0, 0.0);
    line.give("b");
    assert_eq!(line.until(10).left(), left([(10, "a"), (10, "b")]));
}

#[test]
fn after_bytes_lets_exactly_those_pass() {
    let mut line = Line::new();
    line.add_when("limit_data", &[("bytes", 2)], trigger(&[("after_bytes", 5)]));
    line.give("abc");
    line.give("defghij");
    assert_eq!(line.left(), left([(0, "abc"), (0, "de"), (0, "fg"), (0, "x")]));
    let marks = line.marks();
    assert_eq!((marks[0].offset, marks[0].bytes, &marks[0].effect), (7, 3, &Effect::Dropped));
}

#[test]
fn a_window_starts_and_heals_by_itself_without_traffic() {
    let mut line = Line::new();
    line.add_when("bandwidth", &[], trigger(&[("after_ms", 100), ("for_ms", 50)]));
    line.give("a");
    line.until(100).give("b");
    line.give("c");
    assert_eq!(line.until(149).left(), left([(0, "a")]));
    assert_eq!(line.until(1000).left(), left([(0, "a"), (150, "b"), (150, "c")]));
    line.give("d");
    assert_eq!(line.out.len(), 4);
    assert_eq!(line.toxics.len(), 1);

    // Idle connections meet it too.
    let mut line = Line::new();
    line.add_when("timeout", &[("timeout", 30)], trigger(&[("after_ms", 100)]));
    assert_eq!(line.until(1000).left(), left([(130, "x")]));
    // One that ends by a window ends as by removal.
    let mut line = Line::new();
    line.add_when("timeout", &[], trigger(&[("for_ms", 70)]));
    assert_eq!(line.until(1000).left(), left([(70, "x")]));
}

#[test]
fn a_window_after_bytes_is_each_connections_own() {
    let mut line = Line::new();
    line.add_when("latency", &[("latency", 1000)], trigger(&[("after_bytes", 2), ("for_ms", 100)]));
    line.until(500).give("abc");
    assert_eq!(line.until(2000).left(), left([(500, "ab"), (600, "c")]));
}

#[test]
fn connections_are_counted_from_when_the_toxic_was_added() {
    let some = trigger(&[("from_connection", 3), ("connections", 2)]);
    let takes = |before| (1..=9).filter(|ordinal| some.takes(*ordinal, before)).collect::<Vec<_>>();
    assert_eq!(takes(0), [3, 4]);
    assert_eq!(takes(4), [7, 8]);
    let first = trigger(&[("connections", 2)]);
    assert_eq!((1..=9).filter(|ordinal| first.takes(*ordinal, 4)).collect::<Vec<_>>(), [5, 6]);
    assert!(Trigger::default().takes(1, 4));
    assert!(!trigger(&[("from_connection", i64::MAX)]).takes(u64::MAX - 1, u64::MAX));

    for connection in 1..=4 {
        let mut line = Line::of(7, "proxy", connection, Direction::Downstream);
        line.add_when("bandwidth", &[], trigger(&[("from_connection", 2), ("connections", 2)]));
        line.give("a");
        assert_eq!(line.out.is_empty(), (2..=3).contains(&connection));
    }
}

#[test]
fn a_trigger_composes_with_the_coin_and_with_updates() {
    let mut line = Line::new();
    line.add_when("latency", &[("latency", 1000)], trigger(&[("after_bytes", 1), ("for_ms", 100)]));
    line.toss(0, 0.0);
    line.give("abc");
    assert_eq!(line.left(), left([(0, "abc")]));
    line.update(0, &[("latency", 10)]);
    line.toss(0, 1.0);
    line.give("d");
    assert_eq!(line.until(50).left()[1..], left([(10, "d")]));
}

#[test]
fn nonsense_in_a_trigger_is_refused_with_a_hint() {
    let mut refused = Trigger::default();
    for (name, number) in [("for_ms", 0), ("after_bytes", -1), ("connections", 0), ("never", 1)] {
        let text = refused.set(name, number).unwrap_err();
        assert!(text.contains(name) && text.contains("give"), "{text}");
    }
    assert_eq!(refused, Trigger::default());
    let latency = toxics::find("latency").unwrap();
    assert!(
        trigger(&[("connections", 2), ("for_ms", 5)]).check(latency).unwrap_err().contains("after_bytes")
    );
    trigger(&[("connections", 2), ("after_ms", 0), ("for_ms", 5)]).check(latency).unwrap();
    let refuse = toxics::find("refuse").unwrap();
    assert!(trigger(&[("after_bytes", 2)]).check(refuse).unwrap_err().contains("after_ms"));
    let given =
        [("from_connection", 1), ("connections", 2), ("after_bytes", 3), ("after_ms", 4), ("for_ms", 5)];
    let all = trigger(&given);
    all.check(latency).unwrap();
    assert!(all.given().eq(given.map(|(name, number)| (name, u64::try_from(number).unwrap()))));
}

#[test]
fn admission_is_decided_by_coin_count_and_time() {
    let decided = |connection, milliseconds| {
        let mut line = Line::of(7, "proxy", connection, Direction::Downstream);
        line.add("latency", &[]);
        line.add_when("half_open", &[], trigger(&[("after_ms", 10), ("for_ms", 10)]));
        line.add_when("refuse", &[], trigger(&[("from_connection", 2)]));
        let turn = line.chain.turn(line.start + Duration::from_millis(milliseconds));
        let admission = line.chain.admission().map(|(admission, name)| (admission, name.to_string()));
        (admission, turn.map(|turn| turn.duration_since(line.start).as_millis()))
    };
    assert_eq!(decided(1, 0), (None, Some(10)));
    assert_eq!(decided(1, 10), (Some((Admission::Hold, "half_open".to_owned())), Some(20)));
    assert_eq!(decided(1, 20), (None, None));
    assert_eq!(decided(2, 20), (Some((Admission::Refuse, "refuse".to_owned())), None));

    // One coin for both ways, though other toxics have one each.
    let both = |kind: &str, connection| {
        let kind = toxics::find(kind).unwrap();
        Direction::ALL.map(|direction| {
            let mut line = Line::of(7, "proxy", connection, direction);
            line.place("half", kind, attributes(kind, &[]), 0.5, Trigger::default());
            line.chain.acting().count() == 1
        })
    };
    assert!((1..=64).map(|connection| both("half_open", connection)).all(|[up, down]| up == down));
    assert!((1..=64).map(|connection| both("noop", connection)).any(|[up, down]| up != down));
}

#[test]
fn an_item_passes_ten_thousand_toxics_in_one_walk() {
    let mut line = Line::with("noop", &[]);
    let one = line.toxics[0].clone();
    line.toxics = (1..=10_000).map(|id| super::Placed { id, ..super::Placed::clone(&one) }.into()).collect();
    line.update(0, &[]);
    line.give("a");
    line.end();
    assert_eq!(line.left(), left([(0, "a"), (0, "|")]));
}

#[test]
fn alike_touches_become_one_entry_that_says_no_less() {
    let mut line = Line::with("timeout", &[]);
    line.give("ab");
    // The first is told at once, by the waiting chain itself.
    let told: Vec<_> = line.chain.marks().collect();
    assert_eq!((told.len(), told[0].offset, told[0].bytes), (1, 0, 2));
    for _ in 0..50 {
        line.give("c");
    }
    assert_eq!(line.chain.marks().count(), 0);
    line.until(100);
    let told: Vec<_> = line.chain.marks().collect();
    assert_eq!((told.len(), told[0].offset, told[0].bytes, &told[0].effect), (1, 2, 50, &Effect::Dropped));
    // With nothing to tell there is nothing to wait for.
    assert_eq!(line.chain.next(line.now), super::Next::Wait { until: None, wants_input: true });
}

#[test]
fn a_value_that_acts_as_another_is_remarked_on() {
    for (kind, name, value, remarked) in [
        ("packet_loss", "correlation", Value::Number(1.5), true),
        ("packet_loss", "loss_rate", Value::Number(1.0), false),
        ("corrupt", "rate", Value::Number(-0.1), true),
        ("bandwidth", "rate", Value::Integer(-1), true),
        ("bandwidth", "rate", Value::Integer(0), false),
        ("slicer", "size_variation", Value::Integer(9), true),
        ("latency", "latency", Value::Integer(-1), false),
    ] {
        let kind = toxics::find(kind).unwrap();
        let mut given = attributes(kind, &[]);
        given.set(name, value);
        assert_eq!(kind.remark(&given).is_some(), remarked, "{kind:?} {given:?}");
    }
}

#[test]
fn losses_with_a_gap_between_them_stay_apart() {
    let kind = toxics::find("packet_loss").unwrap();
    let mut given = attributes(kind, &[]);
    given.set("loss_rate", Value::Number(0.5));
    let mut line = Line::new();
    line.place("loss", kind, given, 1.0, Trigger::default());
    let sent: Vec<u8> = (0..200).collect();
    for byte in &sent {
        line.give([*byte]);
    }
    let mut kept = sent.clone();
    for mark in line.marks() {
        let from = usize::try_from(mark.offset).unwrap();
        kept[from..from + mark.bytes].fill(255);
    }
    kept.retain(|byte| *byte != 255);
    assert_eq!(kept, line.bytes());
}

/// What the toxics make of a seed may never change either. These were worked out apart from this code too.
#[test]
fn choices_stay_the_same_between_versions() {
    let mut line = Line::with("slicer", &[("average_size", 100), ("size_variation", 50)]);
    line.give([0; 1000]);
    let pieces: Vec<usize> = line.sizes().into_iter().map(|(_, size)| size).collect();
    assert_eq!(pieces, [149, 89, 135, 82, 114, 48, 120, 93, 82, 88]);

    let mut line = Line::with("latency", &[("latency", 100), ("jitter", 50)]);
    for at in 0..8 {
        line.until(at * 200).give("a");
    }
    line.until(2000);
    let delays: Vec<u128> = line.left().iter().map(|(at, _)| at % 200).collect();
    assert_eq!(delays, [99, 85, 105, 100, 142, 57, 110, 101]);

    let frozen = |kind: &str, attribute: &str, chance: f64| {
        let kind = toxics::find(kind).unwrap();
        let mut given = attributes(kind, &[]);
        given.set(attribute, Value::Number(chance));
        let mut line = Line::new();
        line.place("x", kind, given, 1.0, Trigger::default());
        for byte in 0..32 {
            line.give([byte]);
        }
        line.bytes()
    };
    let left = [3, 4, 5, 7, 9, 10, 12, 14, 17, 19, 20, 22, 24, 25, 30];
    assert_eq!(frozen("packet_loss", "loss_rate", 0.5), left);
    let mut corrupt: Vec<u8> = (0..32).collect();
    for (place, byte) in [(3, 35), (5, 69), (9, 8), (20, 22), (24, 88)] {
        corrupt[place] = byte;
    }
    assert_eq!(frozen("corrupt", "rate", 0.02), corrupt);
}
