//! Real rustls clients and servers through proxies: what is carried, verified and passed on, and each fault.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore, ServerConfig,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::{
    Authority, Fault, Tls,
    authority::{Flaw, PROVIDER},
    tests::authority,
};
use crate::{
    Proxies, Settings,
    seed::Seed,
    spec::{ProxySpec, Side, ToxicSpec},
    tape::Effect,
    toxics::{self, Attributes},
    trigger::Trigger,
};

const NAME: &str = "db.example";

/// A server for `name` that chooses `protocol`, echoes, and ends when the client does. Its address.
pub(crate) async fn server(authority: &Authority, name: &str, protocol: &[u8]) -> String {
    let leaf = authority.leaf(&[name.to_owned()], Flaw::None).unwrap();
    let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from((*leaf).clone())));
    config.alpn_protocols = vec![protocol.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                let (mut read, mut write) = tokio::io::split(stream);
                if tokio::io::copy(&mut read, &mut write).await.is_ok() {
                    let _ = write.shutdown().await;
                }
            });
        }
    });
    address
}

/// A client that trusts that authority alone, asks for `name` and offers `protocols`.
pub(crate) async fn client(
    address: &str,
    trusted: &str,
    name: &str,
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    shake(TcpStream::connect(address).await.unwrap(), trusted, name, protocols).await
}

async fn shake(
    tcp: TcpStream,
    trusted: &str,
    name: &str,
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await
}

/// What rustls said.
fn said(error: &io::Error) -> rustls::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.unwrap_or_else(|| panic!("not of TLS: {error:?}")).clone()
}

/// A set with one proxy, and whom its clients trust.
struct World {
    proxies: Proxies,
    address: String,
    trusted: String,
}

impl World {
    /// A proxy that ends TLS, before an upstream for that name. The proxy verifies it as `verified`.
    async fn ending(upstream_name: &str, verified: &str) -> Self {
        let (ca, key) = authority();
        let (upstream_ca, upstream_key) = authority();
        let upstream = Authority::new(&upstream_ca, &upstream_key).unwrap();
        let tls = json!({
            "ca_certificate": ca, "ca_key": key, "upstream_roots": upstream_ca, "upstream_server_name": verified,
        });
        let upstream = server(&upstream, upstream_name, b"b/1").await;
        Self::of(upstream, Some(Tls::read(&tls).unwrap()), ca).await
    }

    /// A proxy that passes TLS through.
    async fn passing() -> Self {
        let (ca, key) = authority();
        let upstream = server(&Authority::new(&ca, &key).unwrap(), NAME, b"b/1").await;
        Self::of(upstream, None, ca).await
    }

    async fn of(upstream: String, tls: Option<Tls>, trusted: String) -> Self {
        let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
        let (name, listen) = ("p".to_owned(), "127.0.0.1:0".to_owned());
        let view =
            proxies.create(ProxySpec { name, listen, upstream, enabled: true, toxics: vec![], tls }).await;
        Self { proxies, address: view.unwrap().listen, trusted }
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        client(&self.address, &self.trusted, NAME, &[b"a/1", b"b/1"]).await
    }

    async fn echoes(&self) {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.flush().await.unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }

    async fn add(&self, kind: &str, toxicity: f32, trigger: Trigger) {
        let kind = toxics::find(kind).unwrap();
        let (stream, attributes) = ("downstream".to_owned(), Attributes::of(kind.fields()));
        let side = Side::parse(&stream).unwrap();
        let name = "fault".to_owned();
        let toxic = ToxicSpec { name, kind, stream, side, toxicity, attributes, trigger };
        self.proxies.add_toxic("p", toxic).await.unwrap();
    }
}

/// A connection's end as the client sees it.
async fn end(stream: &mut TlsStream<TcpStream>) -> io::Result<usize> {
    stream.read(&mut [0; 16]).await
}

#[tokio::test]
async fn what_is_said_inside_is_carried_both_ways_and_ended_as_it_was() {
    let world = World::ending(NAME, NAME).await;
    let mut stream = world.connect().await.unwrap();
    // The one that the upstream chose.
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"b/1"[..]));
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let (mut read, mut write) = tokio::io::split(&mut stream);
    let mut back = Vec::new();
    // The end is passed on with `close_notify`, and the other way stays open for the rest.
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(writing, read.read_to_end(&mut back));
    read.unwrap();
    assert_eq!(back, sent);
}

#[tokio::test]
async fn a_toxic_acts_on_the_plaintext_and_a_cut_is_not_dressed_as_an_end() {
    let world = World::ending(NAME, NAME).await;
    world.add("timeout", 1.0, Trigger::default()).await;
    let mut stream = world.connect().await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.flush().await.unwrap();
    // The upstream's echo is thrown away, and the removal of the toxic closes the connection.
    while world.proxies.tape().after(0).iter().all(|entry| entry.effect != Effect::Dropped) {
        tokio::task::yield_now().await;
    }
    let bytes: usize = world.proxies.tape().after(0).iter().map(|entry| entry.bytes).sum();
    assert_eq!(bytes, 5, "of plaintext");
    world.proxies.remove_toxic("p", "fault").await.unwrap();
    assert_eq!(end(&mut stream).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_client_that_asks_for_no_name_gets_a_leaf_for_the_address() {
    let world = World::ending(NAME, NAME).await;
    client(&world.address, &world.trusted, "127.0.0.1", &[b"b/1"]).await.unwrap();
    let error = client(&world.address, &world.trusted, "127.0.0.2", &[b"b/1"]).await.unwrap_err();
    assert!(not_for_name(&said(&error)), "{error:?}");
}

#[tokio::test]
async fn an_upstream_of_another_name_is_refused_and_the_client_told() {
    for world in [World::ending("other.example", NAME).await, World::ending(NAME, "other.example").await] {
        let error = world.connect().await.unwrap_err();
        assert_eq!(said(&error), rustls::Error::AlertReceived(rustls::AlertDescription::InternalError));
    }
}

#[tokio::test]
async fn an_upstream_is_called_as_in_its_address_where_no_name_is_given() {
    for (called, taken) in [("localhost", true), (NAME, false)] {
        let (ca, key) = authority();
        let upstream = server(&Authority::new(&ca, &key).unwrap(), called, b"b/1").await;
        let upstream = upstream.replace("127.0.0.1", "localhost");
        let tls = json!({"ca_certificate": ca, "ca_key": key, "upstream_roots": ca});
        let world = World::of(upstream, Some(Tls::read(&tls).unwrap()), ca).await;
        if taken {
            world.echoes().await;
        } else {
            let error = world.connect().await.unwrap_err();
            assert_eq!(said(&error), rustls::Error::AlertReceived(rustls::AlertDescription::InternalError));
        }
    }
}

#[tokio::test]
async fn a_plaintext_preamble_is_passed_on_before_tls_begins() {
    let (ca, key) = authority();
    let upstream_authority = Authority::new(&ca, &key).unwrap();
    let inner = server(&upstream_authority, NAME, b"b/1").await;
    // An upstream that speaks TLS only after being asked.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            let mut ask = [0; 8];
            outer.read_exact(&mut ask).await.unwrap();
            assert_eq!(&ask, b"ask nice");
            outer.write_all(b"S").await.unwrap();
            let mut inner = TcpStream::connect(&inner).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outer, &mut inner).await });
        }
    });
    let preamble = json!({"ask": hex::encode("ask nice"), "answer": hex::encode("S")});
    let tls = json!({
        "ca_certificate": ca, "ca_key": key, "upstream_roots": ca, "upstream_server_name": NAME, "preamble": preamble,
    });
    let world = World::of(upstream, Some(Tls::read(&tls).unwrap()), ca).await;
    let mut tcp = TcpStream::connect(&world.address).await.unwrap();
    tcp.write_all(b"ask nice").await.unwrap();
    assert_eq!(tcp.read_u8().await.unwrap(), b'S');
    let mut stream = shake(tcp, &world.trusted, NAME, &[]).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');

    let mut tcp = TcpStream::connect(&world.address).await.unwrap();
    tcp.write_all(b"ask mean").await.unwrap();
    assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
}

fn expired(error: &rustls::Error) -> bool {
    use CertificateError::{Expired, ExpiredContext};
    matches!(error, rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }))
}

fn not_for_name(error: &rustls::Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

fn unknown(error: &rustls::Error) -> bool {
    *error == rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)
}

fn plaintext(error: &rustls::Error) -> bool {
    *error == rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)
}

/// The fault fails the client as it should, is on the tape, and heals with its removal.
async fn fails(mut world: World, kind: &str, trusted: Option<&str>, right: fn(&rustls::Error) -> bool) {
    world.echoes().await;
    let sound = world.trusted.clone();
    world.add(kind, 1.0, Trigger::default()).await;
    world.trusted = trusted.unwrap_or(&sound).to_owned();
    let error = world.connect().await.unwrap_err();
    assert!(right(&said(&error)), "{kind}: {error:?}");
    let tape = world.proxies.tape().after(0);
    assert!(matches!(tape.as_slice(), [entry] if matches!(entry.effect, Effect::Refused(_))), "{tape:?}");
    world.proxies.remove_toxic("p", "fault").await.unwrap();
    world.trusted = sound;
    world.echoes().await;
}

#[tokio::test]
async fn each_certificate_fault_fails_as_itself_where_the_proxy_ends_tls() {
    fails(World::ending(NAME, NAME).await, "tls_expired", None, expired).await;
    fails(World::ending(NAME, NAME).await, "tls_wrong_host", None, not_for_name).await;
    fails(World::ending(NAME, NAME).await, "tls_untrusted", None, unknown).await;
    fails(World::ending(NAME, NAME).await, "tls_plaintext", None, plaintext).await;
}

#[tokio::test]
async fn each_certificate_fault_fails_as_itself_where_the_proxy_passes_tls_through() {
    let faults = Authority::of_faults().unwrap();
    fails(World::passing().await, "tls_expired", None, expired).await;
    fails(World::passing().await, "tls_expired", Some(faults.pem()), expired).await;
    fails(World::passing().await, "tls_wrong_host", None, unknown).await;
    fails(World::passing().await, "tls_wrong_host", Some(faults.pem()), not_for_name).await;
    fails(World::passing().await, "tls_untrusted", Some(faults.pem()), unknown).await;
    fails(World::passing().await, "tls_plaintext", None, plaintext).await;
}

/// Trusts whatever it is shown.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// The fault that the tape says the client did not mind, once it does.
async fn trusted(world: &World) -> &'static str {
    loop {
        let said = world.proxies.tape().after(0).into_iter().find_map(|entry| match entry.effect {
            Effect::Trusted(what) => Some(what),
            _ => None,
        });
        if let Some(what) = said {
            return what;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_look_is_on_the_tape() {
    for world in [World::ending(NAME, NAME).await, World::passing().await] {
        world.add("tls_expired", 1.0, Trigger::default()).await;
        let config = ClientConfig::builder_with_provider(PROVIDER.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous))
            .with_no_client_auth();
        let tcp = TcpStream::connect(&world.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let _stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        assert_eq!(trusted(&world).await, Fault::Expired.done());
    }
}

#[tokio::test]
async fn a_client_that_falls_back_to_plaintext_is_on_the_tape() {
    let (ca, key) = authority();
    let preamble =
        json!({"ask": hex::encode("ask nice"), "answer": hex::encode("S"), "refusal": hex::encode("N")});
    let tls = json!({"ca_certificate": ca, "ca_key": key, "upstream_roots": ca, "preamble": preamble});
    let world = World::of("127.0.0.1:1".to_owned(), Some(Tls::read(&tls).unwrap()), ca).await;
    world.add("tls_plaintext", 1.0, Trigger::default()).await;
    let mut tcp = TcpStream::connect(&world.address).await.unwrap();
    tcp.write_all(b"ask nice").await.unwrap();
    let mut answer = [0];
    tcp.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"N");
    tcp.write_all(b"\0my secret").await.unwrap();
    assert_eq!(trusted(&world).await, Fault::Plaintext.done());
}

#[tokio::test]
async fn a_stalled_handshake_is_never_answered_and_is_given_up_when_the_fault_heals() {
    for world in [World::ending(NAME, NAME).await, World::passing().await] {
        world.add("tls_stalled", 1.0, Trigger::default()).await;
        let mut tcp = TcpStream::connect(&world.address).await.unwrap();
        // What a handshake begins with, so that the proxy has something to answer.
        tcp.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]).await.unwrap();
        while world.proxies.tape().after(0).is_empty() {
            tokio::task::yield_now().await;
        }
        let (address, trusted) = (world.address.clone(), world.trusted.clone());
        let mut shaking = tokio::spawn(async move { client(&address, &trusted, NAME, &[]).await });
        while world.proxies.tape().after(0).len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(futures::poll!(&mut shaking).is_pending());
        world.proxies.remove_toxic("p", "fault").await.unwrap();
        assert_eq!(tcp.read(&mut [0]).await.unwrap_or(0), 0);
        assert!(shaking.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn faults_keep_to_their_toxicity_and_triggers() {
    let world = World::passing().await;
    world.add("tls_untrusted", 0.0, Trigger::default()).await;
    world.echoes().await;
    world.proxies.remove_toxic("p", "fault").await.unwrap();
    let second = Trigger { from_connection: Some(2), connections: Some(1), ..Trigger::default() };
    world.add("tls_untrusted", 1.0, second).await;
    world.echoes().await;
    assert!(unknown(&said(&world.connect().await.unwrap_err())));
    world.echoes().await;
}

/// One that verifies less than it should: that is what the faults are there to find out.
#[tokio::test]
async fn a_client_that_takes_the_flawed_leaf_is_carried_on_where_the_proxy_ends_tls() {
    let world = World::ending(NAME, NAME).await;
    world.add("tls_wrong_host", 1.0, Trigger::default()).await;
    // To rustls, taking a leaf of another host is asking for that host.
    let mut stream = client(&world.address, &world.trusted, "wrong-host.invalid", &[b"b/1"]).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
}
