//! What scenario files may say of workloads, faults and invariants, as a page.

use std::fmt::Write;

use bulkhead_model::{
    Unit,
    scenario::{Kind, Shape, Wanted},
};

/// An invariant for the page: its name, what its bound measures where it has one, its sentence.
pub type Invariant<'a> = (&'a str, Option<Unit>, &'a str);

/// The page.
pub fn page(workloads: &[Shape<'_>], faults: &[Shape<'_>], invariants: &[Invariant<'_>]) -> String {
    let mut page = String::from(
        "# Scenarios\n\nOne YAML file a scenario, folders by intent; [schema.json](schema.json) is for editors. This page \
         is generated:\n`cargo bulkhead scenario reference > scenarios/README.md`.\n\n`for-each` makes several scenarios \
         of a file: `$NAME`, alone as a value, stands for each value in turn.\n",
    );
    let parts = [
        (
            "Workloads",
            "What a tenant's app does, for `run-for`. A `rate` is an open loop: so many are due in a time, whether the \
             service keeps up or not, and\neach one's time counts from when it was due. `rate: max` is a closed loop: each \
             client begins one as soon as the one before is over.",
            workloads,
        ),
        (
            "Faults",
            "What befalls the tenant's links, a server or a service meanwhile. One that touched nothing makes its case \
             `unknown`.\n\nOne on a link is on the tenant's own, `tenants: one`. With `tenants: all` it is on a neighbour's at the same time, \
             and with `tenants: neighbour`\non that alone. The neighbour then does the first of the case's workloads on that \
             service through a link of its own, at 20 in a second\nat most, and its operations are in the history and are \
             judged as the tenant's are, but for `unhindered` and `available` while its own link\nalone is broken. It \
             takes a workload, and a second tenant; a link on which nothing was touched makes the case `unknown`.",
            faults,
        ),
    ];
    for (title, about, shapes) in parts {
        // Writing to a string does not fail.
        let _ = write!(
            page,
            "\n## {title}\n\n{about}\n\n| name | does | settings, as they are unless set; without a value, required |\n| --- | --- | --- |\n"
        );
        for Shape { name, about, settings } in shapes {
            let settings: Vec<_> = settings.iter().map(setting).collect();
            let _ = writeln!(page, "| `{name}` | {about} | {} |", settings.join("; "));
        }
    }
    page.push_str("\n## Invariants\n\nWhat `expect` may name.\n\n| name | holds when |\n| --- | --- |\n");
    for (name, bound, sentence) in invariants {
        let bound = bound.map_or_else(String::new, |unit| format!(": {}", unit.like()));
        let _ = writeln!(page, "| `{name}`{bound} | {sentence} |");
    }
    page
}

fn setting(wanted: &Wanted<'_>) -> String {
    let Wanted { name, kind, usual } = wanted;
    match (usual, kind) {
        (None, _) => format!("`{name}`, {}", kind.like()),
        (Some(usual), Kind::Word(_)) => format!("`{name}: {usual}`, or {}", kind.like()),
        (Some(usual), _) => format!("`{name}: {usual}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_setting_is_on_the_page() {
        let settings = [
            Wanted { name: "service", kind: Kind::Service(&bulkhead_model::Service::ALL), usual: None },
            Wanted { name: "stream", kind: Kind::Word(&["both", "one"]), usual: Some("both") },
        ];
        let fault = Shape { name: "down", about: "It cuts.", settings: &settings };
        let page = page(&[], &[fault], &[("recovers-within", Some(Unit::Time), "It recovers.")]);
        let row = "| `down` | It cuts. | `service`, one of `postgres`, `redis`, `rabbitmq`, `s3`; `stream: both`, or one of \
                   `both`, `one` |";
        assert!(page.contains(row), "{page}");
        assert!(
            page.contains("| `recovers-within`: a time, `300ms`, `8s` or `2min` | It recovers. |"),
            "{page}"
        );
    }
}
