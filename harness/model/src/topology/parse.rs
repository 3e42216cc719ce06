//! The file's text into a [`Topology`]: keys, types and single names here, what tenants do to one another in
//! `overlap`. Nothing stops at the first problem.

use super::{
    Tenant, Topology, names, overlap,
    shape::{Field, SHAPES, Shape},
};
use crate::{
    Enforcement, PostgresSlice, Problems, RabbitmqSlice, RedisSlice, S3Slice, Slices, TenantName,
    document::{Entry, Located, Node, Place, Review, Shown, entry, from_toml},
};

/// A tenant as far as the file gives it.
pub(super) struct Draft {
    pub(super) name: Located<String>,
    /// The environment prefix; at the tenant's own place when the file leaves it out.
    pub(super) env: Located<String>,
    /// In the order of [`SHAPES`].
    pub(super) parts: [Part; 4],
    tenant: Option<TenantName>,
}

/// One service's line of a tenant. Names that a rule refused stay in, so that what they do to other tenants is still
/// said.
#[derive(Default)]
pub(super) struct Part {
    pub(super) container: Option<Located<String>>,
    pub(super) part: Option<Located<String>>,
    /// Whether the line has everything it means to say: nothing missing, nothing of a wrong type.
    pub(super) whole: bool,
}

impl Topology {
    /// Reads and checks a layout. `file` is what the problems' places begin with.
    ///
    /// # Errors
    /// Every problem at once, in the file's order; where the TOML itself is broken, only that.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        let root = from_toml(text, file)?;
        let mut review = Review::new(file);
        review.known_keys(&root, "the topology", &["tenants", "services"]);
        let drafts = tenants(&mut review, &root);
        let enforcement = enforcement(&mut review, &root);
        overlap::review(&mut review, &drafts);
        let tenants = drafts.into_iter().filter_map(Draft::finish).collect();
        Problems::unless(review.into_problems(), Self { tenants, enforcement })
    }
}

fn tenants(review: &mut Review<'_>, root: &[Entry]) -> Vec<Draft> {
    const LIKE: &str = "`[tenants.engine]` and its four services";
    let Some(Entry { key, value }) = entry(root, "tenants") else {
        review.add_with_hint(Place::START, "there is no tenant", format!("write {LIKE}"));
        return Vec::new();
    };
    let Some(table) = review.table(value, "tenants", LIKE) else { return Vec::new() };
    if table.is_empty() {
        review.add_with_hint(key.at, "there is no tenant", format!("write {LIKE}"));
    }
    table.iter().filter_map(|entry| draft(review, entry)).collect()
}

fn draft(review: &mut Review<'_>, Entry { key, value }: &Entry) -> Option<Draft> {
    let name = &key.value;
    let tenant = TenantName::new(name);
    if let Err(rule) = tenant {
        review.add(key.at, format!("`{}`: {rule}", Shown(name)));
    }
    let table = review.table(value, name, &format!("`[tenants.{}]`", Shown(name)))?;
    let known: Vec<&str> =
        ["env"].into_iter().chain(SHAPES.iter().map(|shape| shape.service.name())).collect();
    review.known_keys(table, &format!("tenant `{}`", Shown(name)), &known);

    let absent = Located { at: key.at, value: String::new() };
    let env = entry(table, "env").map_or(Some(absent), |entry| review.text(&entry.value, "env"))?;
    if let Err(fault) = names::env_prefix(&env.value) {
        review.add_with_hint(env.at, fault.what, fault.hint);
    }
    let parts = SHAPES.each_ref().map(|shape| match entry(table, shape.service.name()) {
        Some(entry) => part(review, shape, &entry.value),
        None => {
            let what = format!("tenant `{}` has no {}", Shown(name), shape.service);
            review.add_with_hint(key.at, what, format!("write {}", shape.like));
            Part::default()
        }
    });
    Some(Draft { name: key.clone(), env, parts, tenant: tenant.ok() })
}

fn part(review: &mut Review<'_>, shape: &Shape, node: &Node) -> Part {
    let service = shape.service.name();
    let Some(table) = review.table(node, service, shape.like) else { return Part::default() };
    review.known_keys(table, &format!("`{service}`"), &shape.keys());
    let before = review.count();
    let required = shape.container.as_ref().unwrap_or(&shape.part).key;
    if entry(table, required).is_none() {
        review.add_with_hint(
            node.at,
            format!("`{service}` has no `{required}`"),
            format!("write {}", shape.like),
        );
    }
    let mut value = |field: &Field| review.text(&entry(table, field.key)?.value, field.key);
    let (container, part) = (shape.container.as_ref().and_then(&mut value), value(&shape.part));
    let whole = review.count() == before;
    for (field, text) in shape.container.iter().zip(&container).chain([&shape.part].into_iter().zip(&part)) {
        if let Err(fault) = (field.rule)(&text.value) {
            review.add_with_hint(text.at, fault.what, fault.hint);
        }
    }
    Part { container, part, whole }
}

fn enforcement(review: &mut Review<'_>, root: &[Entry]) -> [Enforcement; 4] {
    let mut promised = [Enforcement::Enforced; 4];
    let like = "`[services.redis]` and `enforcement = \"convention\"`";
    let table = entry(root, "services").and_then(|entry| review.table(&entry.value, "services", like));
    for Entry { key, value } in table.unwrap_or_default() {
        let Some(index) = SHAPES.iter().position(|shape| shape.service.name() == key.value) else {
            review.unknown(key.at, "service", &key.value, SHAPES.iter().map(|shape| shape.service.name()));
            continue;
        };
        let Some(settings) = review.table(value, &key.value, like) else { continue };
        review.known_keys(settings, &format!("`services.{}`", key.value), &["enforcement"]);
        let Some(word) = entry(settings, "enforcement").and_then(|e| review.text(&e.value, "enforcement"))
        else {
            continue;
        };
        let known = [Enforcement::Enforced, Enforcement::Convention];
        match (known.into_iter().find(|e| e.name() == word.value), promised.get_mut(index)) {
            (Some(enforcement), Some(slot)) => *slot = enforcement,
            _ => review.unknown(word.at, "enforcement", &word.value, known.map(Enforcement::name)),
        }
    }
    promised
}

impl Draft {
    /// The tenant, when nothing that it needs is missing.
    fn finish(self) -> Option<Tenant> {
        let [postgres, redis, rabbitmq, s3] = self.parts.map(Part::into_names);
        let slices = Slices {
            postgres: PostgresSlice { database: postgres.0?, schema: postgres.1 },
            redis: RedisSlice { prefix: redis.1? },
            rabbitmq: RabbitmqSlice { vhost: rabbitmq.0?, queues: rabbitmq.1 },
            s3: S3Slice { bucket: s3.0?, prefix: s3.1 },
        };
        Some(Tenant { name: self.tenant?, env: self.env.value, slices })
    }
}

impl Part {
    fn into_names(self) -> (Option<String>, Option<String>) {
        (self.container.map(|name| name.value), self.part.map(|name| name.value))
    }
}
