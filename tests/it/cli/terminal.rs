//! What only a terminal gets: colour, and not when `NO_COLOR` asks for none.

use std::{fs::File, io::Read, process::Stdio, thread};

use nix::pty::{OpenptyResult, openpty};

use super::command::Desk;

/// What `bulkhead check` writes to a terminal about a history that leaks.
fn on_a_terminal(no_color: bool) -> String {
    let desk = Desk::new();
    let history = include_str!("../../../harness/checks/src/isolated/fail.jsonl");
    desk.write("leak.jsonl", history);
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let mut command = desk.command(&["check", "leak.jsonl"]);
    command.stdout(Stdio::from(slave)).env("TERM", "xterm").env_remove("COLUMNS");
    if !no_color {
        command.env_remove("NO_COLOR");
    }
    let mut child = command.spawn().unwrap();
    // The command's copies of the terminal's other end go with it, so that reading comes to an end.
    drop(command);
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        // A terminal whose other end is closed answers with an error instead of an end.
        let _end = File::from(master).read_to_end(&mut seen);
        String::from_utf8(seen).unwrap()
    });
    assert_eq!(child.wait().unwrap().code(), Some(1));
    reader.join().unwrap()
}

#[test]
fn a_terminal_gets_colour_unless_it_is_asked_not_to() {
    let colour = on_a_terminal(false);
    assert!(colour.contains("\x1b[1;31mFAIL\x1b[0m"), "{colour:?}");
    let plain = on_a_terminal(true);
    assert!(plain.contains("FAIL  ") && !plain.contains('\x1b'), "{plain:?}");
}
