//! What people type and write wrongly: every problem at once, the right code, nothing started.

use super::command::Desk;

const ONE_TENANT: &str = "[tenants.engine]\n\
     postgres = { database = \"enginedb\" }\n\
     redis    = { prefix = \"engine:\" }\n\
     rabbitmq = { vhost = \"/engine\" }\n\
     s3       = { bucket = \"tl-engine\" }\n";

#[test]
fn usage_errors_are_64_and_help_is_0() {
    let desk = Desk::new();
    for args in [
        &["--bogus"][..],
        &["verify", "--bogus"],
        &["verify", "--jobs", "0"],
        &["verify", "--target", "nowhere"],
        &["env"],
        &["no-such-command"],
        &[],
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(64), "{args:?}: {}", ran.all());
    }
    for args in [&["--help"][..], &["--version"], &["verify", "--help"], &["up", "-h"]] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.all());
    }
}

#[test]
fn every_problem_of_every_input_is_named_and_nothing_is_started() {
    let desk = Desk::alone();
    desk.write(
        "bulkhead.toml",
        "[tenants.engine]\n\
         postgres = { database = \"enginedb\" }\n\
         redis    = { prefix = \"engine:\" }\n\
         rabbitmq = { vhost = \"/engine\" }\n\
         s3       = { bucket = \"No_Bucket\" }\n\
         \n\
         [tenants.plane]\n\
         env      = \"PLANE_\"\n\
         postgres = { databse = \"neondb\" }\n\
         redis    = { prefix = \"engine:x:\" }\n\
         rabbitmq = { vhost = \"wmohtwtk\" }\n\
         s3       = { bucket = \"tl-plane\" }\n",
    );
    desk.write(
        "scenarios/isolation/bad.yaml",
        "title: Bad\nwhy: W\nprobs: [postgres.read]\nexpect: [isolatd]\n",
    );
    let ran = desk.run(&["verify"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for place in ["bulkhead.toml:5:", "bulkhead.toml:9:", "bad.yaml:3:", "bad.yaml:4:"] {
        assert!(ran.stderr.contains(place), "{place} is missing in:\n{}", ran.stderr);
    }
    for name in ["`database`", "probes", "isolated"] {
        assert!(ran.stderr.contains(name), "the nearest name {name} is missing in:\n{}", ran.stderr);
    }
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    assert!(!desk.path("target").exists(), "no folder is made for a run that cannot begin");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_dry_run_says_what_would_be_run_and_starts_nothing() {
    let desk = Desk::alone();
    let chosen = ["verify", "--dry-run", "--seed", "7", "--tag", "rabbitmq", "--case", "engine"];
    let ran = desk.run(&chosen);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    for part in [
        "\nchaos/rabbitmq/tasks-link [faults=down] (engine)\n",
        "      workload   rabbitmq.tasks: { consumers: 2, publishers: 2, rate: 200/s, size: 1KiB, work: 0ms }\n",
        "      run-for    3s\n",
        "      faults     down: { at: 500ms, for: 1s, service: rabbitmq, tenants: one }\n",
        "      expect     recovers-within: 8s\n",
        " --seed 7 --case 'chaos/rabbitmq/tasks-link [faults=down] (engine)'\n",
        " cases, seed 7\n",
    ] {
        assert!(ran.stdout.contains(part), "{part} is missing in:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("redis"), "{}", ran.stdout);
    assert_eq!(desk.run(&chosen).stdout, ran.stdout, "one seed, one plan");
    let json = desk.run(&[&chosen[..], &["--format", "json"]].concat()).stdout;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    let cases = plan["cases"].as_array().unwrap();
    assert_eq!(ran.stdout.matches("      again ").count(), cases.len());
    assert!(
        cases.iter().any(|case| case["faults"][0].as_str().is_some_and(|fault| fault.starts_with("kill: ")))
    );
    assert_eq!(desk.run(&["verify", "--tag", "rabitmq"]).code, Some(3));
    assert!(!desk.path("target").exists(), "no folder is made for a run that is none");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_subfolder_has_the_topology_of_the_project_and_the_nearest_one_wins() {
    let desk = Desk::new();
    desk.write("bulkhead.toml", ONE_TENANT);
    desk.write(
        "src/deep/mine.yaml",
        "title: T\nwhy: W\nchecklist: [bucket-created]\nexpect: [checklist-done]\n",
    );
    let listed = |folder: &str| {
        let ran = desk.run_in(folder, &["scenario", "list", "mine.yaml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        ran.stdout
    };
    // The built-in layout would make it two.
    assert!(listed("src/deep").contains(" 1 case "), "{}", listed("src/deep"));
    desk.write("src/bulkhead.toml", "colour = 1\n");
    let ran = desk.run_in("src/deep", &["verify", "mine.yaml"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    let place = desk.path("src/bulkhead.toml").canonicalize().unwrap();
    assert!(ran.stderr.contains(&format!("{}:1:1: ", place.display())), "{}", ran.stderr);
}

#[cfg(not(feature = "toxiproxy"))]
#[test]
fn a_toxiproxy_that_this_build_cannot_drive_is_refused_before_anything_starts() {
    let desk = Desk::alone();
    let ran = desk.run(&["verify", "--links", "toxiproxy", "--tag", "chaos"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in
        ["--links toxiproxy: this build of Bulkhead cannot drive a Toxiproxy", "`--features toxiproxy`"]
    {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.all());
    }
    assert_eq!(ran.stdout, "");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_bad_topology_hides_neither_bad_scenarios_nor_bad_variables() {
    let mut desk = Desk::alone();
    desk.write("bulkhead.toml", &ONE_TENANT.replace("tl-engine", "No_Bucket"));
    desk.write("mine/bad.yaml", "title: Bad\nwhy: W\nprobes: [postgres.raed]\nexpect: [isolated]\n");
    desk.set("BULKHEAD_LINGER", "soon");
    desk.set("BULKHEAD_INSTALL", "yes");
    let [topology, scenario] = ["bulkhead.toml:5:", "mine/bad.yaml:3:"];
    let variables = ["BULKHEAD_LINGER: ", "BULKHEAD_INSTALL: "];
    let cases: [(&[&str], &[&str]); 5] = [
        (&["scenario", "check", "mine"], &[topology, scenario]),
        (&["scenario", "list", "mine"], &[topology, scenario]),
        (&["verify", "mine"], &[topology, scenario, variables[0], variables[1]]),
        (&["checklist"], &[topology, variables[0], variables[1]]),
        (&["up"], &[topology, variables[0], variables[1]]),
    ];
    for (args, places) in cases {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(3), "{args:?}: {}", ran.all());
        let number = format!("error: {} problems in what was given", places.len());
        assert!(ran.stderr.contains(&number), "{args:?}: {}", ran.stderr);
        for place in places {
            assert!(ran.stderr.contains(place), "{args:?}: {place} is missing in:\n{}", ran.stderr);
        }
    }
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn missing_servers_are_one_message_with_every_package_and_nothing_is_started() {
    let mut desk = Desk::alone();
    for place in ["BULKHEAD_POSTGRES_BIN", "BULKHEAD_REDIS_BIN", "BULKHEAD_RABBITMQ_HOME"] {
        desk.set(place, "/nonexistent");
    }
    desk.set("PATH", "");
    desk.set("BULKHEAD_INSTALL", "0");
    for command in ["verify", "up", "checklist"] {
        let ran = desk.run(&[command]);
        assert_eq!(ran.code, Some(3), "{}", ran.all());
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
        for word in
            ["postgres", "redis", "rabbitmq", "hint: ", "apt-get install", "dnf install", "brew install"]
        {
            assert!(ran.stderr.contains(word), "{word} is missing in:\n{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("backtrace"), "{}", ran.stderr);
        assert!(!desk.path("target").exists(), "{command} leaves no folder");
        assert!(desk.left().is_empty(), "{:?}", desk.left());
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let desk = Desk::new();
    // Nobody reads the other end any more: every write meets a broken pipe.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for args in [&["scenario", "list"][..], &["scenario", "schema"], &["proxy", "-version"]] {
        let output = desk.command(args).stdout(writer.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = desk.command(&["scenario", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "the control: a text that could not be written is one");
}

#[test]
fn a_case_key_that_matches_nothing_names_those_that_do() {
    let ran = Desk::new().run(&["verify", "--case", "engin"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(ran.stderr.contains("hint: there are engine, engine:plane"), "{}", ran.stderr);
}

#[test]
fn without_stand_ins_the_commands_that_need_them_say_how_to_start_them() {
    let desk = Desk::new();
    for args in [&["status"][..], &["down"], &["env", "--tenant", "engine"]] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(3), "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains("hint: start them with `bulkhead up --detach`"), "{}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    }
}

#[test]
fn scenarios_are_listed_checked_and_described() {
    let desk = Desk::new();
    let list = desk.run(&["scenario", "list"]);
    assert_eq!(list.code, Some(0), "{}", list.all());
    assert!(
        list.stdout.contains("scenarios/isolation/") && list.stdout.contains("built in"),
        "{}",
        list.stdout
    );
    let check = desk.run(&["scenario", "check"]);
    assert_eq!(check.code, Some(0), "{}", check.all());
    assert!(check.stdout.contains("nothing wrong"), "{}", check.stdout);
    desk.write("mine/bad.yaml", "title: Bad\nwhy: W\nprobes: [postgres.raed]\nexpect: [isolated]\n");
    let bad = desk.run(&["scenario", "check", "mine"]);
    assert_eq!(bad.code, Some(3), "{}", bad.all());
    assert!(bad.stderr.contains("mine/bad.yaml:3:"), "{}", bad.stderr);
    let schema = desk.run(&["scenario", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["title"], "Bulkhead scenario");
}
