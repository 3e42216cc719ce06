//! What tenants of one layout do to one another: equal slices, prefixes that contain one another, a container that
//! one shares and another believes to have alone, one environment prefix for two. Each problem names both places.

use super::{
    parse::{Draft, Part},
    shape::{SHAPES, Shape},
};
use crate::{
    Service,
    document::{Located, Place, Review, Shown},
};

/// Compares every two tenants, each pair once.
pub(super) fn review(review: &mut Review<'_>, drafts: &[Draft]) {
    for (index, later) in drafts.iter().enumerate() {
        for earlier in drafts.iter().take(index) {
            env(review, earlier, later);
            for ((shape, a), b) in SHAPES.iter().zip(&earlier.parts).zip(&later.parts) {
                parts(review, shape, (&earlier.name.value, a), (&later.name.value, b));
            }
        }
    }
}

fn env(review: &mut Review<'_>, earlier: &Draft, later: &Draft) {
    if earlier.env.value != later.env.value {
        return;
    }
    let upper = later.name.value.to_uppercase().replace('-', "_");
    let which = if later.env.value.is_empty() {
        "bare variables".to_owned()
    } else {
        format!("`{}…`", later.env.value)
    };
    let what = format!(
        "tenants `{}` ({}) and `{}` both read {which}",
        Shown(&earlier.name.value),
        review.place(earlier.env.at),
        Shown(&later.name.value),
    );
    review.add_with_hint(
        later.env.at,
        what,
        format!("give one of them its own: `env = \"{}_\"`", Shown(&upper)),
    );
}

fn parts(review: &mut Review<'_>, shape: &Shape, (earlier, a): (&str, &Part), (later, b): (&str, &Part)) {
    if !(a.whole && b.whole) {
        return;
    }
    let kind = match shape.service {
        Service::Postgres => "database",
        Service::Redis => "server",
        Service::Rabbitmq => "vhost",
        Service::S3 => "bucket",
    };
    // An empty prefix covers everything; that it is empty has been said.
    let empty = |part: &Part| part.part.as_ref().is_some_and(|name| name.value.is_empty());
    if empty(a) || empty(b) {
        return;
    }
    let container = match (&shape.container, &a.container, &b.container) {
        (None, _, _) => None,
        (Some(_), Some(one), Some(other)) if one.value == other.value => Some((one, other)),
        _ => return,
    };
    let (earlier, later) = (Shown(earlier), Shown(later));
    match (&a.part, &b.part, container) {
        (Some(one), Some(other), _) if shape.overlap(&one.value, &other.value) => {
            let what = overlapping(review, shape, (&earlier, one), (&later, other));
            review.add_with_hint(other.at, what, "give each tenant names that no other's prefix covers");
        }
        (None, None, Some((one, other))) => {
            let what = format!(
                "tenants `{earlier}` ({}) and `{later}` have the same {kind} `{}`",
                review.place(one.at),
                Shown(&one.value)
            );
            let hint =
                format!("give each a {kind} of its own, or each a `{}` in the shared one", shape.part.key);
            review.add_with_hint(other.at, what, hint);
        }
        (Some(_), None, Some((one, other))) => {
            alone(review, shape, kind, (&later, other), (&earlier, one), other.at)
        }
        (None, Some(_), Some((one, other))) => {
            alone(review, shape, kind, (&earlier, one), (&later, other), other.at)
        }
        _ => {}
    }
}

fn overlapping(
    review: &Review<'_>,
    shape: &Shape,
    (earlier, one): (&Shown<'_>, &Located<String>),
    (later, other): (&Shown<'_>, &Located<String>),
) -> String {
    let (key, a, b) = (shape.part.key, Shown(&one.value), Shown(&other.value));
    let place = review.place(one.at);
    if one.value == other.value {
        return format!(
            "tenants `{earlier}` ({place}) and `{later}` have the same {} {key} `{a}`",
            shape.service
        );
    }
    let (wide, narrow) = if other.value.starts_with(&one.value) { (a, b) } else { (b, a) };
    format!(
        "tenants `{earlier}` ({place}) and `{later}` overlap on {}: `{wide}` covers `{narrow}`",
        shape.service
    )
}

/// `separate` has the whole of a container in which `shared` has a part.
fn alone(
    review: &mut Review<'_>,
    shape: &Shape,
    kind: &str,
    (separate, whole): (&Shown<'_>, &Located<String>),
    (shared, part): (&Shown<'_>, &Located<String>),
    at: Place,
) {
    let what = format!(
        "tenant `{separate}` ({}) has the whole {kind} `{}`, in which `{shared}` ({}) has a `{key}`",
        review.place(whole.at),
        Shown(&whole.value),
        review.place(part.at),
        key = shape.part.key,
    );
    review.add_with_hint(
        at,
        what,
        format!("give `{separate}` a `{}` too, or another {kind}", shape.part.key),
    );
}
