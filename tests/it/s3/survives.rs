//! What it acknowledged outlives a kill; nobody sees half an object; a taken port and a strange folder are errors.

use std::{
    net::TcpListener,
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bulkhead_model::{Enforcement, Service};
use bulkhead_target::services::{
    Running as _,
    s3::{Embedded, Options},
};
use nix::sys::signal::Signal;

use super::common::{get, list, own, put};
use crate::support::{direct, spec, tenant};

#[tokio::test]
async fn a_killed_server_comes_back_with_everything_it_acknowledged() {
    let options = Options { min_part_size: 1, ..Options::default() };
    let mut own = own(options.clone()).await;
    let (client, bucket) = own.tenant().await;

    // Writers that count what was acknowledged, until the server dies under them.
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (client, bucket) = (client.clone(), bucket.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let (key, body) = (format!("w{writer}/{n}"), format!("body {writer} {n}"));
                    let body = ByteStream::from(body.into_bytes());
                    let sent = client.put_object().bucket(&bucket).key(&key).body(body).send().await;
                    if sent.is_err() {
                        break;
                    }
                    acknowledged.push(n);
                }
                acknowledged
            })
        })
        .collect();
    let old = put(&client, &bucket, "versioned", b"old").await.unwrap();
    put(&client, &bucket, "versioned", b"new").await.unwrap();
    put(&client, &bucket, "hidden", b"hidden").await.unwrap();
    client.delete_object().bucket(&bucket).key("hidden").send().await.unwrap();
    let upload = client.create_multipart_upload().bucket(&bucket).key("parts").send().await.unwrap();
    let upload = upload.upload_id().unwrap();
    let part = client.upload_part().bucket(&bucket).key("parts").upload_id(upload).part_number(1);
    let part = part.body(b"one".to_vec().into()).send().await.unwrap();

    nix::sys::signal::kill(own.running.pid(), Signal::SIGKILL).unwrap();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.unwrap());
    }
    own.running.stop().await;
    own.running = Embedded::start(&spec(), &own.direct.place, options).await.unwrap();

    assert!(acknowledged.iter().map(Vec::len).sum::<usize>() > 0);
    for (writer, numbers) in acknowledged.iter().enumerate() {
        for n in numbers {
            let found = get(&client, &bucket, &format!("w{writer}/{n}")).await.unwrap();
            assert_eq!(found, format!("body {writer} {n}").as_bytes());
        }
    }
    assert_eq!(get(&client, &bucket, "versioned").await.unwrap(), b"new");
    let by_id = client.get_object().bucket(&bucket).key("versioned").version_id(old).send().await.unwrap();
    assert_eq!(by_id.body.collect().await.unwrap().to_vec(), b"old");
    assert!(get(&client, &bucket, "hidden").await.is_err());
    let done = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag().map(str::to_owned)).build();
    let done = CompletedMultipartUpload::builder().parts(done).build();
    let complete = client.complete_multipart_upload().bucket(&bucket).key("parts").upload_id(upload);
    complete.multipart_upload(done).send().await.unwrap();
    assert_eq!(get(&client, &bucket, "parts").await.unwrap(), b"one");
}

/// What a key may hold: the last body that was acknowledged, or that of the request that may not have been.
type Held = [Option<String>; 2];

/// Overwrites a few keys and removes what was there before, until the server dies.
async fn churn(client: Client, bucket: String, name: String, mut held: [Held; 3]) -> [Held; 3] {
    let mut versions: [Option<String>; 3] = Default::default();
    for n in 0.. {
        let (slot, body) = (n % 3, format!("{name} {n}"));
        let key = format!("{}/{slot}", name.split(' ').next().unwrap());
        held[slot][1] = Some(body.clone());
        let body = ByteStream::from(body.into_bytes());
        let put = client.put_object().bucket(&bucket).key(&key).body(body);
        let Ok(put) = put.send().await else { break };
        held[slot][0] = held[slot][1].clone();
        let before = std::mem::replace(&mut versions[slot], put.version_id().map(str::to_owned));
        if let Some(before) = before
            && client.delete_object().bucket(&bucket).key(&key).version_id(before).send().await.is_err()
        {
            break;
        }
    }
    held
}

#[tokio::test]
async fn a_kill_while_the_journal_is_written_anew_loses_nothing() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let data = own.direct.place.dir.join("data");
    let journal = data.join("objects.journal");
    let inode = |path: &std::path::Path| path.metadata().map(|meta| meta.ino()).ok();
    let mut held: [[Held; 3]; 4] = Default::default();
    for round in 0..4 {
        let writers = held.iter().enumerate().map(|(writer, held)| {
            let name = format!("w{writer} round {round}");
            tokio::spawn(churn(client.clone(), bucket.clone(), name, held.clone()))
        });
        let writers: Vec<_> = writers.collect();
        let (pid, before, fresh) = (own.running.pid(), inode(&journal), data.join("objects.journal.new"));
        let (name, since) = (journal.clone(), Instant::now());
        // Now as soon as the new file is there, now as soon as it has the name.
        let killed = tokio::task::spawn_blocking(move || {
            while inode(&name) == before && (round % 2 == 1 || !fresh.exists()) {
                assert!(since.elapsed() < Duration::from_secs(120), "the journal only grows");
                std::thread::yield_now();
            }
            nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
        });
        killed.await.unwrap();
        for (held, writer) in held.iter_mut().zip(writers) {
            *held = writer.await.unwrap();
        }
        own.running.stop().await;
        own.running = Embedded::start(&spec(), &own.direct.place, Options::default()).await.unwrap();
        assert!(!data.join("objects.journal.new").exists());
        for (writer, held) in held.iter_mut().enumerate() {
            for (slot, held) in held.iter_mut().enumerate() {
                let found = get(&client, &bucket, &format!("w{writer}/{slot}")).await.ok();
                let found = found.map(|body| String::from_utf8(body).unwrap());
                assert!(held.contains(&found), "{found:?} is not of {held:?}");
                held[0] = found;
            }
        }
    }
    assert!(held.iter().flatten().any(|held| held[0].is_some()), "nothing was ever acknowledged");
    let lines = std::fs::read_to_string(&journal).unwrap().lines().count();
    assert!(lines < 1000, "{lines}");
}

#[tokio::test]
async fn files_that_no_version_needs_are_gone_from_the_disk() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let objects = own.direct.place.dir.join("data/objects");
    let files = || std::fs::read_dir(&objects).unwrap().count();
    let first = put(&client, &bucket, "a", b"one").await.unwrap();
    put(&client, &bucket, "a", b"two").await.unwrap();
    client.copy_object().bucket(&bucket).key("b").copy_source(format!("{bucket}/a")).send().await.unwrap();
    assert_eq!(files(), 2, "a copy shares its source's file");
    client.delete_object().bucket(&bucket).key("a").version_id(first).send().await.unwrap();
    assert_eq!(files(), 1);
    let tenants = [tenant("engine", "own")];
    own.running.remove(&tenants).await.unwrap();
    assert_eq!(files(), 0);

    // A file that was moved into place just before a kill, and half of one.
    own.running.stop().await;
    std::fs::write(objects.join("stray"), b"x").unwrap();
    std::fs::write(own.direct.place.dir.join("data/incoming/half"), b"x").unwrap();
    own.running = Embedded::start(&spec(), &own.direct.place, Options::default()).await.unwrap();
    assert_eq!(files(), 0);
    assert_eq!(std::fs::read_dir(own.direct.place.dir.join("data/incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    put(&client, &bucket, "a", b"before").await.unwrap();
    let wrong = client.put_object().bucket(&bucket).key("a").body(b"after".to_vec().into());
    let refused = wrong.checksum_crc32("AAAAAA==").send().await.map_err(super::common::code).unwrap_err();
    assert!(refused.starts_with("400 BadDigest"), "{refused}");
    assert_eq!(get(&client, &bucket, "a").await.unwrap(), b"before");
    assert_eq!(list(&client, &bucket, "").await.unwrap(), ["a"]);
    assert_eq!(std::fs::read_dir(own.direct.place.dir.join("data/objects")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(own.direct.place.dir.join("data/incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_taken_port_is_an_error_with_the_servers_own_words() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = direct(Service::S3).await;
    server.running.stop().await;
    server.place.port = Some(taken.local_addr().unwrap().port());
    let error = Embedded::start(&spec(), &server.place, Options::default()).await.unwrap_err();
    assert!(error.chain().contains("could not listen on 127.0.0.1"), "{}", error.chain());
}

#[tokio::test]
async fn a_server_that_died_says_so() {
    let mut own = own(Options::default()).await;
    assert!(own.running.exited().is_none());
    nix::sys::signal::kill(own.running.pid(), Signal::SIGKILL).unwrap();
    let error = own.running.provision(&[tenant("engine", "own")], Enforcement::Enforced).await.unwrap_err();
    assert!(error.chain().contains("signal: 9"), "{}", error.chain());
    assert!(own.running.exited().is_some());
}
