//! The handle on another server: each change is made, read back and compared.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use hyper::Method;
use serde_json::{Map, Value, json};
use tokio::net::lookup_host;
use toxiproxy_rust::{
    client::Client,
    proxy::{Proxy, ProxyPack},
};

use super::{
    Error, SeenProxy, SeenToxic, compare,
    http::{Http, segment},
};
use crate::spec::{ProxyChange, ProxySpec, ToxicChange, ToxicSpec};

/// A Toxiproxy of another process. Clones are the same one.
///
/// It assumes that nobody else changes the same proxies meanwhile: what somebody else did is an error here, as a change
/// that did not come about.
#[derive(Clone, Debug)]
pub struct Foreign {
    http: Http,
    kept: Kept,
}

/// The crate's client, which reads all of the system's certificates when it is made, until something went wrong with it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Option<Client>>>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Kept {
    /// Calls it; who comes meanwhile waits.
    fn call<T>(
        &self,
        socket: SocketAddr,
        call: impl FnOnce(&Client) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = slot.take().unwrap_or_else(|| Client::new(socket));
        let done = call(&client)?;
        *slot = Some(client);
        Ok(done)
    }
}

impl Foreign {
    /// Finds the server at `host:port` and makes sure that it is one.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when nothing there answers as Toxiproxy does.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let unreachable = |reason: String| Error::Unreachable {
            address: address.to_owned(),
            action: "connect".into(),
            reason,
        };
        let found = lookup_host(address).await.map_err(|error| unreachable(error.to_string()))?;
        let mut last = "the name has no address".to_owned();
        for socket in found {
            let http = Http { address: address.to_owned(), socket };
            let foreign = Self { http, kept: Kept::default() };
            match foreign.version().await {
                Ok(_) => return Ok(foreign),
                Err(error) => last = error.to_string(),
            }
        }
        Err(unreachable(last))
    }

    /// What it says of its version.
    ///
    /// # Errors
    /// [`Error::Unreachable`] also when it answers something else.
    pub async fn version(&self) -> Result<String, Error> {
        let action = "ask for the version";
        let text = self.by_crate(action, Client::version).await?;
        let said = serde_json::from_str::<Value>(&text).ok();
        let version = said.as_ref().and_then(|said| said.get("version")).and_then(Value::as_str);
        version
            .map(str::to_owned)
            .ok_or_else(|| self.http.unreachable(action, &"it is not Toxiproxy's answer"))
    }

    /// All proxies, by name.
    ///
    /// # Errors
    /// When it cannot be spoken to.
    pub async fn all(&self) -> Result<Vec<SeenProxy>, Error> {
        let all: Option<BTreeMap<String, SeenProxy>> = self.http.get("/proxies").await?;
        Ok(all.unwrap_or_default().into_values().collect())
    }

    /// One of them, or nothing.
    ///
    /// # Errors
    /// When it cannot be spoken to.
    pub async fn get(&self, name: &str) -> Result<Option<SeenProxy>, Error> {
        self.http.get(&path(name)).await
    }

    /// Makes one with its toxics, or nothing.
    ///
    /// # Errors
    /// When the server refuses, when it does not show what was asked for, and for extensions.
    pub async fn create(&self, spec: &ProxySpec) -> Result<SeenProxy, Error> {
        let action = format!("create `{}`", spec.name);
        self.no_extension(&action, compare::proxy_extension(spec))?;
        // The crate can only populate, which replaces what is there.
        self.http.send(Method::POST, "/proxies", Some(&proxy(spec)), &action).await?;
        match self.furnish(spec, &action).await {
            Ok(made) => Ok(made),
            Err(error) => {
                // Whatever this says, the first error is the one to tell.
                let _ = self.http.send(Method::DELETE, &path(&spec.name), None, &action).await;
                Err(error)
            }
        }
    }

    /// Sees to it that these are there as they are asked for; what differs is replaced.
    ///
    /// # Errors
    /// When the server refuses, when it does not show what was asked for, and for extensions.
    pub async fn populate(&self, specs: &[ProxySpec]) -> Result<Vec<SeenProxy>, Error> {
        let action = "populate";
        for spec in specs {
            self.no_extension(action, compare::proxy_extension(spec))?;
        }
        let packs = specs.iter().map(pack).collect();
        if self.by_crate(action, move |client| client.populate(packs).map(|_| ())).await.is_err() {
            // The crate does not tell a refusal from an answer that it cannot read. The same again changes nothing.
            let all = specs.iter().map(proxy).collect();
            self.http.send(Method::POST, "/populate", Some(&Value::Array(all)), action).await?;
        }
        let mut there = Vec::new();
        for spec in specs {
            there.push(self.furnish(spec, &format!("populate `{}`", spec.name)).await?);
        }
        Ok(there)
    }

    /// Changes one.
    ///
    /// # Errors
    /// When the server refuses or does not show what was asked for, and for extensions.
    pub async fn change(&self, name: &str, change: ProxyChange) -> Result<SeenProxy, Error> {
        let action = format!("change `{name}`");
        self.no_extension(&action, change.tls.as_ref().map(|_| "`tls`".to_owned()))?;
        let before = self.there(name, &action).await?;
        match (&change, change.enabled) {
            (ProxyChange { listen: None, upstream: None, .. }, Some(enabled)) if crate_knows(&before) => {
                let set = if enabled { Proxy::enable } else { Proxy::disable };
                self.on_proxy(name, &action, move |proxy| set(&proxy)).await?;
            }
            _ => {
                let mut body = Map::new();
                let texts = [("listen", &change.listen), ("upstream", &change.upstream)];
                body.extend(
                    texts.into_iter().filter_map(|(key, text)| Some((key.into(), json!(text.as_ref()?)))),
                );
                body.extend(change.enabled.map(|enabled| ("enabled".into(), json!(enabled))));
                self.http.send(Method::POST, &path(name), Some(&Value::Object(body)), &action).await?;
            }
        }
        let after = self.there(name, &action).await?;
        let done = change.listen.as_ref().is_none_or(|listen| compare::same_listen(listen, &after.listen))
            && change.upstream.as_ref().is_none_or(|upstream| *upstream == after.upstream)
            && change.enabled.is_none_or(|enabled| enabled == after.enabled);
        if done { Ok(after) } else { Err(self.not_done(&action, &format!("{change:?}"), &after)) }
    }

    /// Removes one.
    ///
    /// # Errors
    /// When there is none of that name or it is still there afterwards.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let action = format!("delete `{name}`");
        let before = self.there(name, &action).await?;
        if crate_knows(&before) {
            self.on_proxy(name, &action, |proxy| proxy.delete()).await?;
        } else {
            self.http.send(Method::DELETE, &path(name), None, &action).await?;
        }
        match self.get(name).await? {
            None => Ok(()),
            Some(after) => Err(self.not_done(&action, "no such proxy", &after)),
        }
    }

    /// Adds a toxic at the end of its chain.
    ///
    /// # Errors
    /// When the server refuses, when it does not show what was asked for, and for extensions.
    pub async fn add_toxic(&self, name: &str, spec: &ToxicSpec) -> Result<SeenToxic, Error> {
        let action = format!("add `{}` to `{name}`", spec.name);
        self.no_extension(&action, compare::toxic_extension(spec))?;
        let before = self.there(name, &action).await?;
        match Simple::of(spec).filter(|_| crate_knows(&before)) {
            Some(simple) => self.on_proxy(name, &action, move |proxy| simple.add(&proxy)).await?,
            None => {
                let toxics = format!("{}/toxics", path(name));
                self.http.send(Method::POST, &toxics, Some(&compare::toxic(spec)), &action).await?;
            }
        }
        let after = self.there(name, &action).await?;
        let was_there = before.toxics.iter().any(|toxic| toxic.name == spec.name);
        match after.toxics.iter().find(|toxic| toxic.name == spec.name) {
            Some(toxic) if !was_there && compare::same_toxic(spec, toxic) => Ok(toxic.clone()),
            _ => Err(self.not_done(&action, &format!("one more, {}", compare::toxic(spec)), &after)),
        }
    }

    /// Changes a toxic. The attributes are merged with those that it has.
    ///
    /// # Errors
    /// When the server refuses, when it does not show what was asked for, and for extensions.
    pub async fn change_toxic(
        &self,
        name: &str,
        toxic: &str,
        change: &ToxicChange,
    ) -> Result<SeenToxic, Error> {
        let action = format!("change `{toxic}` of `{name}`");
        self.no_extension(&action, compare::change_extension(change))?;
        let attributes = change.attributes.as_ref().map(compare::attributes).unwrap_or_default();
        let mut body = json!({"attributes": attributes});
        if let (Some(toxicity), Some(body)) = (change.toxicity, body.as_object_mut()) {
            body.insert("toxicity".into(), json!(toxicity));
        }
        let there = format!("{}/toxics/{}", path(name), segment(toxic));
        self.http.send(Method::POST, &there, Some(&body), &action).await?;
        let after = self.there(name, &action).await?;
        match after.toxics.iter().find(|seen| seen.name == toxic) {
            Some(seen)
                if compare::same_attributes(&attributes, &seen.attributes)
                    && change.toxicity.is_none_or(|wanted| wanted.to_bits() == seen.toxicity.to_bits()) =>
            {
                Ok(seen.clone())
            }
            _ => Err(self.not_done(&action, &body.to_string(), &after)),
        }
    }

    /// Removes a toxic.
    ///
    /// # Errors
    /// When the server refuses or still shows it.
    pub async fn remove_toxic(&self, name: &str, toxic: &str) -> Result<(), Error> {
        let action = format!("remove `{toxic}` from `{name}`");
        let there = format!("{}/toxics/{}", path(name), segment(toxic));
        self.http.send(Method::DELETE, &there, None, &action).await?;
        let after = self.there(name, &action).await?;
        if after.toxics.iter().any(|seen| seen.name == toxic) {
            return Err(self.not_done(&action, "no such toxic", &after));
        }
        Ok(())
    }

    /// Starts every proxy and removes all toxics.
    ///
    /// # Errors
    /// When a proxy is not enabled afterwards or still has toxics.
    pub async fn reset(&self) -> Result<(), Error> {
        let action = "reset";
        self.by_crate(action, Client::reset).await?;
        let all = self.all().await?;
        match all.iter().find(|proxy| !proxy.enabled || !proxy.toxics.is_empty()) {
            Some(proxy) => Err(self.not_done(action, "every proxy enabled and without toxics", proxy)),
            None => Ok(()),
        }
    }

    /// Adds what toxics a proxy that was just asked for lacks, and compares it.
    async fn furnish(&self, spec: &ProxySpec, action: &str) -> Result<SeenProxy, Error> {
        let mut there = self.there(&spec.name, action).await?;
        if !compare::same_proxy(spec, &there) {
            return Err(self.not_done(action, &proxy(spec).to_string(), &there));
        }
        for toxic in &spec.toxics {
            if !there.toxics.iter().any(|seen| compare::same_toxic(toxic, seen)) {
                there.toxics.push(self.add_toxic(&spec.name, toxic).await?);
            }
        }
        self.there(&spec.name, action).await
    }

    async fn there(&self, name: &str, action: &str) -> Result<SeenProxy, Error> {
        self.get(name).await?.ok_or_else(|| Error::Refused {
            address: self.http.address.clone(),
            action: action.to_owned(),
            status: 404,
            said: "proxy not found".into(),
        })
    }

    /// The crate blocks, panics where it cannot connect, and must not be called within the runtime.
    async fn by_crate<T: Send + 'static>(
        &self,
        action: &str,
        call: impl FnOnce(&Client) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Error> {
        let (socket, kept) = (self.http.socket, self.kept.clone());
        let done = tokio::task::spawn_blocking(move || kept.call(socket, call)).await;
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(reason)) => Err(self.http.unreachable(action, &reason)),
            Err(panicked) => Err(self.http.unreachable(action, &panicked)),
        }
    }

    async fn on_proxy(
        &self,
        name: &str,
        action: &str,
        call: impl FnOnce(Proxy) -> Result<(), String> + Send + 'static,
    ) -> Result<(), Error> {
        let name = name.to_owned();
        self.by_crate(action, move |client| client.find_proxy(&name).and_then(call)).await
    }

    fn no_extension(&self, action: &str, what: Option<String>) -> Result<(), Error> {
        let (address, action) = (self.http.address.clone(), action.to_owned());
        what.map_or(Ok(()), |what| Err(Error::Extension { address, action, what }))
    }

    fn not_done(&self, action: &str, asked: &str, found: &SeenProxy) -> Error {
        Error::NotDone {
            address: self.http.address.clone(),
            action: action.to_owned(),
            asked: asked.to_owned(),
            found: format!("{found:?}"),
        }
    }
}

/// A toxic that the crate can add: of a kind that it has a call for, with the default name and small whole numbers.
struct Simple {
    kind: &'static str,
    stream: String,
    numbers: Vec<u32>,
    toxicity: f32,
}

impl Simple {
    fn of(spec: &ToxicSpec) -> Option<Self> {
        let names: &[&str] = match spec.kind.name() {
            "latency" => &["latency", "jitter"],
            "bandwidth" => &["rate"],
            "slow_close" => &["delay"],
            "timeout" => &["timeout"],
            "slicer" => &["average_size", "size_variation", "delay"],
            "limit_data" => &["bytes"],
            _ => return None,
        };
        let (kind, stream) = (spec.kind.name(), spec.stream.clone());
        if spec.name != format!("{kind}_{stream}") {
            return None;
        }
        let numbers: Option<_> =
            names.iter().map(|name| spec.attributes.integer(name).try_into().ok()).collect();
        Some(Self { kind, stream, numbers: numbers?, toxicity: spec.toxicity })
    }

    fn add(self, proxy: &Proxy) -> Result<(), String> {
        let (stream, toxicity) = (self.stream, self.toxicity);
        match (self.kind, self.numbers.as_slice()) {
            ("latency", &[latency, jitter]) => proxy.with_latency(stream, latency, jitter, toxicity),
            ("bandwidth", &[rate]) => proxy.with_bandwidth(stream, rate, toxicity),
            ("slow_close", &[delay]) => proxy.with_slow_close(stream, delay, toxicity),
            ("timeout", &[timeout]) => proxy.with_timeout(stream, timeout, toxicity),
            ("slicer", &[average, variation, delay]) => {
                proxy.with_slicer(stream, average, variation, delay, toxicity)
            }
            ("limit_data", &[bytes]) => proxy.with_limit_data(stream, bytes, toxicity),
            (kind, _) => return Err(format!("the crate has no call for `{kind}`")),
        };
        Ok(())
    }
}

/// Whether the crate can read that proxy and find it: it knows whole positive numbers, and encodes names not quite.
fn crate_knows(proxy: &SeenProxy) -> bool {
    let mut attributes = proxy.toxics.iter().flat_map(|toxic| toxic.attributes.values());
    attributes.all(|value| value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()))
        && proxy.name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}

fn path(name: &str) -> String {
    format!("/proxies/{}", segment(name))
}

fn proxy(spec: &ProxySpec) -> Value {
    json!({"name": spec.name, "listen": spec.listen, "upstream": spec.upstream, "enabled": spec.enabled})
}

fn pack(spec: &ProxySpec) -> ProxyPack {
    let mut pack = ProxyPack::new(spec.name.clone(), spec.listen.clone(), spec.upstream.clone());
    pack.enabled = spec.enabled;
    pack
}
