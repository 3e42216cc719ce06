//! Fuzz targets of what reads strangers' bytes: bodies of the API and the configuration file, which is one of them.
//!
//! `cargo test` runs the corpus and a bounded number of random inputs; `cargo bolero test api::fuzz::raw_bytes` goes on
//! for as long as it is let. Nothing may panic, what is refused is refused as a bad request, and what is taken is taken
//! the same again from its own answer.

use std::{fs, path::Path};

use super::{
    decode::{ProxyBody, Remarks, ToxicBody, toxic_change},
    encode,
    json::Json,
    read_proxies,
};
use crate::{Error, spec::ToxicSpec};

/// Inputs in a run of `cargo test`.
const INPUTS: usize = 4096;

/// A place, what to do there, and a byte to do it with.
type Edit = (u16, u8, u8);

fn refused(error: &Error) {
    assert_eq!(error.status(), 400, "{error}");
    assert!(!error.to_string().contains('\n'), "{error:?}");
}

/// Everything that reads a body.
fn read(body: &[u8]) {
    if let Err((_, error)) = read_proxies(body, &mut Vec::new()) {
        refused(&error);
    }
    let Ok(json) = Json::first(body) else { return };
    let mut remarks = Remarks::default();
    match ProxyBody::read(json, &mut remarks).and_then(|body| body.spec(None, &mut remarks)) {
        Ok(spec) => spec.toxics.iter().for_each(taken),
        Err(error) => refused(&error),
    }
    let toxic = ToxicBody::read(json, &mut remarks).and_then(|body| body.spec(|_| false, &mut remarks));
    match toxic {
        Ok(spec) => {
            taken(&spec);
            if let Err(error) = toxic_change(json, &spec, &mut remarks) {
                refused(&error);
            }
        }
        Err(error) => refused(&error),
    }
}

/// A toxic that was taken is printed, and taken the same from that.
fn taken(spec: &ToxicSpec) {
    let printed = encode::toxic(spec);
    let mut remarks = Remarks::default();
    let json = Json::first(printed.as_bytes()).expect("our own JSON");
    let again = ToxicBody::read(json, &mut remarks).and_then(|body| body.spec(|_| false, &mut remarks));
    assert_eq!(encode::toxic(&again.expect("our own answer")), printed);
    assert_eq!(remarks.ignored, Vec::<String>::new(), "{printed}");
}

/// The inputs in the repository.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/__fuzz__/api__fuzz__raw_bytes/corpus");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn edited(mut body: Vec<u8>, edits: &[Edit], corpus: &[Vec<u8>]) -> Vec<u8> {
    for &(at, how, byte) in edits {
        let at = usize::from(at) % (body.len() + 1);
        match how % 5 {
            0 => body.insert(at, byte),
            1 => drop(body.splice(at..at, std::iter::repeat_n(byte, 300))),
            2 => body.truncate(at),
            3 => {
                let other = &corpus[usize::from(byte) % corpus.len()];
                drop(body.splice(at..at, other.iter().copied()));
            }
            _ if at < body.len() => body[at] = byte,
            _ => {}
        }
    }
    body
}

#[test]
fn raw_bytes() {
    bolero::check!().with_iterations(INPUTS).for_each(|body: &[u8]| read(body));
}

#[test]
fn bodies_that_are_nearly_right() {
    let corpus = corpus();
    assert!(corpus.len() >= 10);
    bolero::check!().with_type::<(u8, Vec<Edit>)>().with_iterations(INPUTS).for_each(|(first, edits)| {
        read(&edited(corpus[usize::from(*first) % corpus.len()].clone(), edits, &corpus));
    });
}

#[test]
fn the_corpus_is_read_and_some_of_it_taken() {
    let taken = corpus().iter().filter(|body| read_proxies(body, &mut Vec::new()).is_ok()).count();
    assert!((1..corpus().len()).contains(&taken), "the corpus holds right and wrong: {taken}");
}
