//! The picture in the README: a real run, drawn as SVG. The same text stands in the README for those who see no picture.

use std::{fmt::Write as _, fs, path::PathBuf};

use super::command::Desk;

/// What the picture shows being typed.
const COMMAND: &str = "bulkhead verify scenarios/isolation scenarios/checklist --seed 7";

/// Columns of the run, and the pixels that a character and a line take.
const COLUMNS: usize = 88;
const CHARACTER: f64 = 7.83;
const LINE: usize = 18;

fn file(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

#[test]
#[ignore = "redraws the README's picture from a real run"]
fn draws_the_picture() {
    let mut desk = Desk::served();
    desk.set("COLUMNS", &COLUMNS.to_string());
    let ran = desk.run(&COMMAND.split(' ').skip(1).collect::<Vec<_>>());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let text = format!("$ {COMMAND}\n{}", ran.stdout.trim_end());
    fs::write(file("harness/report/picture.svg"), svg(&text)).unwrap();
    let readme = fs::read_to_string(file("README.md")).unwrap();
    let (before, old) = readme.split_once("```text\n").unwrap();
    let (_, after) = old.split_once("\n```\n").unwrap();
    fs::write(file("README.md"), format!("{before}```text\n{text}\n```\n{after}")).unwrap();
}

#[test]
fn the_readme_says_in_words_what_its_picture_shows() {
    let readme = fs::read_to_string(file("README.md")).unwrap();
    let picture = fs::read_to_string(file("harness/report/picture.svg")).unwrap();
    assert!(readme.contains("](harness/report/picture.svg)"));
    let (_, text) = readme.split_once("```text\n").unwrap();
    let (text, _) = text.split_once("\n```\n").unwrap();
    assert!(text.ends_with("exit 0"), "{text}");
    assert_eq!(svg(text), picture, "draw both again: cargo test --test it draws_the_picture -- --ignored");
}

fn svg(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let (width, height) = (COLUMNS as f64 * CHARACTER + 32.0, lines.len() * LINE + 32);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height}\" role=\"img\" \
         aria-label=\"Terminal output of {COMMAND}\">\n\
         <style>text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #d7dae0; \
         white-space: pre }} .good {{ fill: #7fd88f }} .head {{ font-weight: bold; fill: #ffffff }} \
         .dim {{ fill: #8b919c }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1b1e24\"/>\n"
    );
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = 16 + 14 + index * LINE;
        writeln!(svg, "<text x=\"16\" y=\"{y}\" xml:space=\"preserve\">{}</text>", coloured(line)).unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}

/// The colours that the terminal shows, given by what the words say.
fn coloured(line: &str) -> String {
    let escaped = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let span = |class: &str, words: &str| format!("<tspan class=\"{class}\">{words}</tspan>");
    if line.starts_with("$ ") || line.contains("this class was not probed") {
        return span("dim", &escaped);
    }
    if line.contains(" 0 fail · 0 unknown") && !line.starts_with("cases") || line == "exit 0" {
        return span("good", &escaped);
    }
    if line.starts_with("verdicts ") || line.starts_with("isolation ") {
        let (label, header) = escaped.split_at(12);
        return format!("{label}{}", span("head", header));
    }
    match escaped.split_once('✓') {
        Some((server, ready)) => format!("{server}{}", span("good", &format!("✓{ready}"))),
        None => match escaped.strip_prefix("bulkhead 0.1.0") {
            Some(rest) => format!("{}{rest}", span("head", "bulkhead 0.1.0")),
            None => escaped,
        },
    }
}
