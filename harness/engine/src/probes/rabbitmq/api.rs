//! Probes through the management API, which knows users by their tags: `management` shows totals of the whole broker,
//! `monitoring` every vhost, `policymaker` sets policies, shovels and federation in the vhosts of the user, and an
//! `administrator` may do all. A row a request.
//!
//! What would change something is sent with a body that is no JSON, which is looked at only once the user is let through.

use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::clients::management::{self, Api, part};

use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

pub(super) struct Request {
    about: About,
    method: &'static str,
    /// Where `{vhost}` and `{user}` are the neighbour's and `{self}` is the probing tenant's user.
    path: &'static str,
    tells: Tells,
    /// The tags without which a user is refused, as `rabbitmqctl` takes them away.
    without: &'static str,
}

/// What a successful answer is about.
enum Tells {
    /// All tenants, or the neighbour.
    Neighbour,
    /// The neighbour, where it holds what stands in these braces; otherwise only what the user may see anyway.
    Named(&'static str),
}

use Tells::{Named, Neighbour};

/// What is sent where JSON is expected.
const NO_JSON: &str = "no json";

const fn get(
    class: Class,
    name: &'static str,
    path: &'static str,
    tells: Tells,
    sentence: &'static str,
) -> Request {
    let about = About::new(Service::Rabbitmq, name, class, sentence).by_name().over_management();
    Request { about, method: "GET", path, tells, without: "any tag" }
}

const fn put(
    name: &'static str,
    path: &'static str,
    without: &'static str,
    sentence: &'static str,
) -> Request {
    let about = About::new(Service::Rabbitmq, name, Class::Administer, sentence).by_name().over_management();
    Request { about, method: "PUT", path, tells: Neighbour, without }
}

pub(super) static DEFINITIONS: Request = get(
    Class::Read,
    "rabbitmq.export-definitions",
    "/api/definitions",
    Neighbour,
    "Exports the broker's definitions through the management API: every user with its password's hash, every policy.",
);
pub(super) static POLICY: Request = put(
    "rabbitmq.set-policy",
    "/api/policies/{vhost}/bulkhead-probe",
    "the tag `policymaker` or `administrator`",
    "Sets a policy in the neighbour's vhost, which may expire or redirect the messages of any queue in it.",
);
pub(super) static OPERATOR_POLICY: Request = put(
    "rabbitmq.set-operator-policy",
    "/api/operator-policies/{vhost}/bulkhead-probe",
    "the tag `administrator`",
    "Sets an operator policy in the neighbour's vhost, which overrides the neighbour's own.",
);
pub(super) static SHOVEL: Request = put(
    "rabbitmq.set-shovel",
    "/api/parameters/shovel/{vhost}/bulkhead-probe",
    "the tag `policymaker` or `administrator`",
    "Sets up a shovel in the neighbour's vhost, which moves messages of any queue elsewhere.",
);
pub(super) static FEDERATION: Request = put(
    "rabbitmq.set-federation",
    "/api/parameters/federation-upstream/{vhost}/bulkhead-probe",
    "the tag `policymaker` or `administrator`",
    "Sets up a federation upstream in the neighbour's vhost, from which it would take messages.",
);
pub(super) static GLOBAL_PARAMETER: Request = put(
    "rabbitmq.set-global-parameter",
    "/api/global-parameters/bulkhead-probe",
    "the tag `policymaker` or `administrator`",
    "Sets a parameter of the whole broker.",
);
pub(super) static PERMISSIONS: Request = put(
    "rabbitmq.set-permissions",
    "/api/permissions/{vhost}/{self}",
    "the tag `administrator`",
    "Gives itself permissions in the neighbour's vhost.",
);
pub(super) static USER: Request = put(
    "rabbitmq.change-login",
    "/api/users/{user}",
    "the tag `administrator`",
    "Changes the password and the tags of the neighbour's login.",
);
pub(super) static VHOST: Request = put(
    "rabbitmq.change-vhost",
    "/api/vhosts/{vhost}",
    "the tag `administrator`",
    "Changes the neighbour's vhost, as by turning on the firehose in it.",
);
pub(super) static VHOST_LIMITS: Request = put(
    "rabbitmq.set-vhost-limits",
    "/api/vhost-limits/{vhost}/max-queues",
    "the tag `administrator`",
    "Limits how many queues the neighbour's vhost may hold.",
);
pub(super) static USER_LIMITS: Request = put(
    "rabbitmq.set-user-limits",
    "/api/user-limits/{user}/max-connections",
    "the tag `administrator`",
    "Limits how many connections the neighbour's login may have.",
);
pub(super) static OVERVIEW: Request = get(
    Class::Enumerate,
    "rabbitmq.read-totals",
    "/api/overview",
    Neighbour,
    "Reads the whole broker's counts and rates through the management API.",
);
pub(super) static VHOSTS: Request = get(
    Class::Enumerate,
    "rabbitmq.list-vhosts",
    "/api/vhosts",
    Named("{vhost}"),
    "Lists vhosts with their counts of messages through the management API.",
);
pub(super) static QUEUES: Request = get(
    Class::Enumerate,
    "rabbitmq.list-queues",
    "/api/queues/{vhost}",
    Neighbour,
    "Lists the queues of the neighbour's vhost through the management API.",
);
pub(super) static CONNECTIONS: Request = get(
    Class::Enumerate,
    "rabbitmq.list-connections",
    "/api/connections/username/{user}",
    Neighbour,
    "Lists the neighbour's connections, with addresses and clients, through the management API.",
);
pub(super) static USERS: Request = get(
    Class::Enumerate,
    "rabbitmq.list-users",
    "/api/users",
    Neighbour,
    "Lists every tenant's login through the management API.",
);
pub(super) static NODES: Request = get(
    Class::Enumerate,
    "rabbitmq.read-nodes",
    "/api/nodes",
    Neighbour,
    "Reads the nodes' memory, disk, sockets and settings through the management API.",
);

impl Probe for Request {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        let user = &pair.from.connections.rabbitmq.user;
        format!("rabbitmqctl set_user_tags '{user}' (without {})", self.without)
    }

    /// A user without a tag is refused everything, be it about its own slice, so the control is that the API knows the
    /// login.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.rabbitmq().await?;
            let (method, path) = match side {
                Side::Own => ("GET", String::from("/api/whoami")),
                Side::Foreign => (self.method, filled(self.path, pair)),
            };
            let call = format!("{method} {path} as `{}`", pair.from.connections.rabbitmq.user);
            let body = if method == "PUT" { NO_JSON } else { "" };
            let answer = Answer::of(call, async {
                match ground.api() {
                    None => (Outcome::Unknown, String::from("the server has no management API")),
                    Some(api) => match api.ask(method, &path, body).await {
                        Err(error) => (Outcome::Unknown, error.chain()),
                        Ok(answer) if side == Side::Own => known(&answer),
                        Ok(answer) if answer.status == 404 => self.confirmed(pair, &answer, api).await,
                        Ok(answer) => self.told(pair, &answer),
                    },
                }
            });
            Ok(Attempt::Seen(answer.await))
        })
    }
}

impl Request {
    /// A broker that stops or starts says 404 as well, for what it has not loaded or has let go of: one that knows the login
    /// right after means it.
    async fn confirmed(&self, pair: &Pair<'_>, answer: &management::Answer, api: &Api) -> (Outcome, String) {
        let (outcome, text) = self.told(pair, answer);
        match api.ask("GET", "/api/whoami", "").await {
            Ok(still) if known(&still).0 == Outcome::Allowed => (outcome, text),
            Ok(other) => (Outcome::Unknown, format!("{text}; then {}", known(&other).1)),
            Err(error) => (Outcome::Unknown, format!("{text}; then {}", error.chain())),
        }
    }

    fn told(&self, pair: &Pair<'_>, answer: &management::Answer) -> (Outcome, String) {
        let refused = refusal(answer);
        match answer.status {
            401 | 403 if refused.contains(BAD_LOGIN) => (Outcome::Unknown, refused),
            401 | 403 => (Outcome::Denied, refused),
            200..300 => self.content(pair, &answer.body),
            // The body was looked at, or the component behind the path: the user had been let through.
            400 | 404 if self.method == "PUT" => (Outcome::Allowed, format!("let through: {refused}")),
            404 => (Outcome::Invisible, refused),
            // What 3.10 answers to whoever may not list another's connections.
            500 if answer.body.is_empty() => (Outcome::Denied, refused),
            _ => (Outcome::Unknown, refused),
        }
    }

    /// What it says about the neighbour, and nothing of what it says about anybody else.
    fn content(&self, pair: &Pair<'_>, body: &str) -> (Outcome, String) {
        match self.tells {
            Neighbour => (Outcome::Allowed, String::from("an answer that is not about its own slice only")),
            Named(braces) => {
                // The names stand in JSON, and a vhost's may hold what is escaped there.
                let name = serde_json::to_string(&named(braces, pair)).unwrap_or_default();
                match body.contains(&name) {
                    true => (Outcome::Allowed, format!("an answer with {name} in it")),
                    false => (Outcome::Invisible, format!("an answer without {name}")),
                }
            }
        }
    }
}

/// How the API words that user and password do not hold.
const BAD_LOGIN: &str = "Login failed";

/// Whether the API knows the login: it says who one is, or that one has no tag.
fn known(answer: &management::Answer) -> (Outcome, String) {
    let text = refusal(answer);
    match answer.status {
        200 => (Outcome::Allowed, String::from("the API knows the login")),
        401 | 403 if text.contains("Not management user") => {
            (Outcome::Allowed, format!("the API knows the login, which has no tag: {text}"))
        }
        _ => (Outcome::Unknown, text),
    }
}

/// The status and the API's reason, without any content.
fn refusal(answer: &management::Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    format!("{} {}", answer.status, body["reason"].as_str().unwrap_or_default()).trim_end().to_owned()
}

fn named(braces: &str, pair: &Pair<'_>) -> String {
    match braces {
        "{vhost}" => pair.to.slices.rabbitmq.vhost.clone(),
        "{self}" => pair.from.connections.rabbitmq.user.clone(),
        // Its user is known by name where the neighbour's own variables are; a login is often called like the tenant.
        _ => match pair.owner(Side::Foreign) {
            Some(neighbour) => neighbour.connections.rabbitmq.user.clone(),
            None => pair.to.name.to_string(),
        },
    }
}

fn filled(path: &str, pair: &Pair<'_>) -> String {
    ["{vhost}", "{user}", "{self}"].into_iter().fold(path.to_owned(), |path, braces| {
        if path.contains(braces) { path.replace(braces, &part(&named(braces, pair))) } else { path }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    fn answer(status: u16, body: &str) -> management::Answer {
        management::Answer { status, body: body.to_owned() }
    }

    #[test]
    fn a_login_that_fails_is_no_refusal() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let told = |status, body: &str| POLICY.told(&pair, &answer(status, body)).0;
        assert_eq!(told(401, r#"{"error":"not_authorized","reason":"Login failed"}"#), Outcome::Unknown);
        assert_eq!(told(401, r#"{"reason":"Not management user"}"#), Outcome::Denied);
        assert_eq!(told(400, r#"{"reason":"not_json"}"#), Outcome::Allowed);
        assert_eq!(told(502, "bad gateway"), Outcome::Unknown);
        assert_eq!(known(&answer(401, r#"{"reason":"Login failed"}"#)).0, Outcome::Unknown);
        assert_eq!(known(&answer(401, r#"{"reason":"Not management user"}"#)).0, Outcome::Allowed);
    }

    #[test]
    fn an_answer_about_ones_own_is_no_leak() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let told = |body: &str| VHOSTS.told(&pair, &answer(200, body)).0;
        assert_eq!(told(r#"[{"name":"/engine"}]"#), Outcome::Invisible);
        assert_eq!(told(r#"[{"name":"/engine"},{"name":"/plane"}]"#), Outcome::Allowed);
        assert_eq!(filled(POLICY.path, &pair), "/api/policies/%2Fplane/bulkhead-probe");
        assert_eq!(filled(PERMISSIONS.path, &pair), "/api/permissions/%2Fplane/engine");
    }
}
