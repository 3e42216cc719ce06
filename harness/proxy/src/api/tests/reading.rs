//! The reader of bodies on anything that may come: it never panics, agrees with another JSON parser where both apply,
//! and reads what the writer wrote as the same.

use proptest::prelude::*;
use serde_json::Value;

use super::super::{
    decode::{self, Remarks},
    encode,
    json::{self, Json, Shape},
};
use crate::{proxies::View, spec::ProxySpec};

/// Some JSON.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no such number", |number| number.is_finite())
            .prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Almost a list of proxies.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"name\"",
        "\"upstream\"",
        "\"toxics\"",
        "\"type\"",
        "\"latency\"",
        "\"attributes\"",
        "\"stream\"",
        "\"toxicity\"",
        "\"trigger\"",
        "\"tls\"",
        "null",
        "true",
        "1",
        "-0",
        "1e9",
        "\"\\ud800\"",
        "\"x:1\"",
        " ",
    ]);
    let pieces = prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes());
    prop_oneof![pieces, prop::collection::vec(any::<u8>(), 0..200)]
}

/// What another parser makes of it.
fn tree(json: Json<'_>) -> Value {
    match json.shape() {
        Shape::Null => Value::Null,
        Shape::Bool => json.bool().unwrap().into(),
        Shape::Number => json.integer().map_or_else(|| json.float64().unwrap().into(), Value::from),
        Shape::String => json.string().unwrap().into(),
        Shape::Array => json.elements().into_iter().map(tree).collect(),
        Shape::Object => json.members().into_iter().map(|(key, value)| (key, tree(value))).collect(),
    }
}

fn view(spec: &ProxySpec) -> View {
    View {
        name: spec.name.clone(),
        listen: spec.listen.clone(),
        upstream: spec.upstream.clone(),
        enabled: spec.enabled,
        toxics: spec.toxics.clone(),
        tls: None,
    }
}

fn specs(text: &[u8]) -> Option<Vec<ProxySpec>> {
    decode::list_of_proxies(Json::first(text).ok()?, &mut Remarks::default()).ok()
}

/// A proxy with a toxic, as a client would write it.
fn proxy() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(crate::toxics::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    let stream = prop::sample::select(vec!["upstream", "DownStream", "both"]);
    (".+", ".*", ".+", any::<bool>(), kind, stream, any::<f32>(), any::<i64>()).prop_map(
        |(name, listen, upstream, enabled, kind, stream, toxicity, number)| {
            let toxicity = if toxicity.is_finite() { toxicity } else { 0.25 };
            let attributes: Vec<String> = crate::toxics::find(kind)
                .unwrap()
                .fields()
                .iter()
                .filter(|field| matches!(field.default, crate::toxics::Value::Integer(_)))
                .map(|field| format!("\"{}\":{number}", field.name))
                .collect();
            format!(
                r#"{{"name":{},"listen":{},"upstream":{},"enabled":{enabled},"toxics":[{{"type":"{kind}",
                "stream":"{stream}","toxicity":{toxicity:e},"attributes":{{{}}}}}]}}"#,
                Value::from(name),
                Value::from(listen),
                Value::from(upstream),
                attributes.join(",")
            )
        },
    )
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(body in body()) {
        let _ = specs(&body);
        if let Ok(json) = Json::first(&body) {
            let remarks = &mut Remarks::default();
            let _ = decode::ProxyBody::read(json, remarks).map(|body| body.spec(None, remarks));
            let _ = decode::ToxicBody::read(json, remarks).map(|body| body.spec(|_| false, remarks));
            let _ = decode::seed(json, remarks);
        }
    }

    #[test]
    fn what_another_parser_takes_is_read_the_same(value in value(), after in ".*") {
        let text = value.to_string();
        let read = Json::first(text.as_bytes()).unwrap();
        prop_assert_eq!(tree(read), value.clone());
        // What follows an object or array is not looked at.
        if value.is_object() || value.is_array() {
            let followed = format!("{text}{after}");
            prop_assert_eq!(Json::first(followed.as_bytes()).unwrap(), read);
        }
        // Cut short, it is never taken for whole.
        let cut = text.floor_char_boundary(text.len() / 2);
        if text.ends_with(['}', ']', '"']) && cut > 0 {
            Json::first(&text.as_bytes()[..cut]).unwrap_err();
        }
    }

    #[test]
    fn what_the_writer_wrote_is_read_as_the_same(proxies in prop::collection::vec(proxy(), 1..4)) {
        let text = format!("[{}]", proxies.join(","));
        let first = specs(text.as_bytes()).unwrap();
        let written = encode::populated(&first.iter().map(view).collect::<Vec<_>>(), true);
        let second = specs(written.as_bytes()).unwrap();
        let again = encode::populated(&second.iter().map(view).collect::<Vec<_>>(), true);
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
        prop_assert_eq!(&written, &again);
        // It is JSON that others read too.
        serde_json::from_str::<Value>(&written).unwrap();
    }

    #[test]
    fn any_number_of_32_bits_is_printed_so_that_it_is_read_as_itself(bits in any::<u32>()) {
        let number = f32::from_bits(bits);
        prop_assume!(number.is_finite());
        let read = Json::first(json::float32(number).as_bytes()).unwrap().float32().unwrap();
        prop_assert_eq!(read.to_bits(), bits);
    }
}

#[test]
fn numbers_are_printed_as_go_prints_them() {
    for (number, text) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (7.5, "7.5"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (3.4e38, "3.4e+38"),
    ] {
        assert_eq!(json::float32(number), text);
    }
    assert_eq!(json::float64(1e100), "1e+100");
}

#[test]
fn strings_are_read_and_printed_as_go_does_it() {
    let read = |text: &[u8]| Json::first(text).unwrap().string().unwrap();
    assert_eq!(read(br#""\ud83d\ude00 \ud83d \ude00x\u0041\/""#), "\u{1f600} \u{fffd} \u{fffd}xA/");
    assert_eq!(read(b"\"\xe2\x82 \xff\""), "\u{fffd}\u{fffd} \u{fffd}");
    assert_eq!(
        json::string("<&>\u{2028}\u{8}\u{1}\u{7f}\"é"),
        "\"\\u003c\\u0026\\u003e\\u2028\\b\\u0001\u{7f}\\\"é\""
    );
}

#[test]
fn keys_fold_as_go_folds_them() {
    let body = "{\"NAME\":\"a\",\"\u{17f}tream\":\"upstream\",\"UP\u{17f}TREAM\":\"b\"}";
    let mut remarks = Remarks::default();
    let read = decode::ProxyBody::read(Json::first(body.as_bytes()).unwrap(), &mut remarks).unwrap();
    let spec = read.spec(None, &mut remarks).unwrap();
    assert_eq!(
        (spec.name, spec.upstream, remarks.ignored),
        ("a".into(), "b".into(), vec!["\u{17f}tream".to_owned()])
    );
}
