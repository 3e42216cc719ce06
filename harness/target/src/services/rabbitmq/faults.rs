//! What befalls a tenant's connections and messages though the broker is well: done on the node itself, as its
//! administrator's tools would.

use bulkhead_model::{Secret, Service, Tenant};

use super::{
    definitions,
    server::{Server, literal},
};
use crate::{Error, ServiceFault, error::Cause, services::password};

/// Ends connections as `rabbitmqctl close_connection` does, each by a process of its own, because one that writes to a
/// client which reads nothing is not in a hurry and is waited for no longer than that; once told, the others do nothing for
/// their clients any more. A metric is asked who they are, because it answers at once.
const TERMINATE: &str = r#"
VHost = base64:decode($VHOST),
Users = [base64:decode(User) || User <- [$USERS]],
Pids = [Pid || {Pid, Infos} <- ets:tab2list(connection_created),
    proplists:get_value(vhost, Infos) =:= VHost, lists:member(proplists:get_value(user, Infos), Users)],
Closing = [spawn_monitor(fun() ->
    rabbit_networking:close_connection(Pid, "closed by the administrator")
end) || Pid <- Pids],
[receive {'DOWN', Ref, process, _, _} -> ok after 200 -> erlang:demonitor(Ref, [flush]) end
    || {_, Ref} <- Closing],
length(Pids)"#;

/// Raises an alarm as the broker's own monitors do.
const RAISE: &str = "rabbit_alarm:set_alarm({{resource_limit, $RESOURCE, node()}, []}), 0";

/// Counts the connections that are not read from because they published, and clears the alarm.
const CLEAR: &str = r"
Blocked = [Pid || Pid <- rabbit_networking:connections(),
    {state, State} <- case (catch rabbit_networking:connection_info(Pid, [state])) of
        Infos when is_list(Infos) -> Infos;
        _ -> []
    end, State =:= blocked],
rabbit_alarm:clear_alarm({resource_limit, $RESOURCE, node()}),
length(Blocked)";

/// Has queues refuse what is published to them, and counts them. What to do with what is too much is said first and how
/// much is too much once each queue knows: in one go RabbitMQ 3.10 takes the length up first, and drops what a queue holds.
const LIMIT: &str = r#"
[VHost, Name, Pattern] = [base64:decode(Text) || Text <- [$TEXTS]],
Set = fun(Definition) ->
    ok = rabbit_policy:set(VHost, Name, Pattern, Definition, 100, <<"queues">>, <<"bulkhead">>)
end,
Knows = fun Knows(Queue, Tries) when Tries > 0 ->
    case rabbit_amqqueue:info(Queue, [policy]) of
        [{policy, Name}] -> true;
        _ -> timer:sleep(5), Knows(Queue, Tries - 1)
    end
end,
Queues = [Queue || Queue <- rabbit_amqqueue:list(VHost),
    re:run(element(4, amqqueue:get_name(Queue)), Pattern) =/= nomatch],
Refuse = {<<"overflow">>, <<"reject-publish">>},
Set([Refuse]),
[true = Knows(Queue, 1000) || Queue <- Queues],
Set([Refuse, {<<"max-length">>, 0}]),
length(Queues)"#;

/// Takes the policy away, where there is one.
const UNLIMIT: &str = r#"
[VHost, Name, _] = [base64:decode(Text) || Text <- [$TEXTS]],
case rabbit_policy:lookup(VHost, Name) of
    not_found -> ok;
    _ -> ok = rabbit_policy:delete(VHost, Name, <<"bulkhead">>)
end,
0"#;

/// What the broker keeps of a user's password, in base64; nothing where there is no such user.
const HASH: &str = r#"
case rabbit_auth_backend_internal:lookup_user(base64:decode($USER)) of
    {ok, User} -> base64:encode_to_string(internal_user:get_password_hash(User));
    _ -> []
end"#;

/// Gives a user the password of which the broker is to keep that.
const SET_HASH: &str = "rabbit_auth_backend_internal:change_password_hash(\
    base64:decode($USER), base64:decode(\"$HASH\"), rabbit_password_hashing_sha256)";

impl Server {
    /// Begins a fault or undoes it; it touches connections that it ends or blocks, and queues that it limits.
    pub(super) async fn befall(
        &mut self,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        let failed =
            Error::serve(Service::Rabbitmq, format!("begin or undo {fault:?} for tenant `{}`", tenant.name));
        let prepared = match (fault, begins) {
            (ServiceFault::RevokedPassword, true) => self.revoke(tenant).await,
            (ServiceFault::RevokedPassword, false) => self.give_back(tenant).await,
            _ => Ok(()),
        };
        if let Err(error) = prepared {
            return Err(failed(error));
        }
        let expression = match (fault, begins) {
            (ServiceFault::Terminate | ServiceFault::RevokedPassword, true) => self.terminating(tenant),
            (ServiceFault::MemoryAlarm, true) => RAISE.replace("$RESOURCE", "memory"),
            (ServiceFault::MemoryAlarm, false) => CLEAR.replace("$RESOURCE", "memory"),
            (ServiceFault::DiskAlarm, true) => RAISE.replace("$RESOURCE", "disk"),
            (ServiceFault::DiskAlarm, false) => CLEAR.replace("$RESOURCE", "disk"),
            (ServiceFault::QueueLimit, true) => limiting(LIMIT, tenant),
            (ServiceFault::QueueLimit, false) => limiting(UNLIMIT, tenant),
            _ => return Ok(0),
        };
        match self.node.caller.eval(&expression).await {
            Ok(value) => match value.parse() {
                Ok(touched) => Ok(touched),
                Err(_) => Err(failed(value.into())),
            },
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives the tenant's users another password, which nobody is told.
    async fn revoke(&mut self, tenant: &Tenant) -> Result<(), Cause> {
        for user in self.users(tenant) {
            let asked = self.node.caller.eval(&HASH.replace("$USER", &literal(&user))).await?;
            let hash = asked.trim_matches(['"', '[', ']']);
            if hash.is_empty() || self.revoked.contains_key(&user) {
                continue;
            }
            self.revoked.insert(user.clone(), Secret::new(hash));
            self.set_hash(&user, &definitions::hash(&password::random(), rand::random())).await?;
        }
        Ok(())
    }

    /// Gives the tenant's users the passwords back that were taken from them, if some were.
    async fn give_back(&mut self, tenant: &Tenant) -> Result<(), Cause> {
        for user in self.users(tenant) {
            if let Some(hash) = self.revoked.get(&user) {
                self.set_hash(&user, hash.expose()).await?;
                self.revoked.remove(&user);
            }
        }
        Ok(())
    }

    async fn set_hash(&self, user: &str, hash: &str) -> Result<(), Cause> {
        let expression = SET_HASH.replace("$USER", &literal(user)).replace("$HASH", hash);
        self.evaluate(&expression).await.map_err(Cause::from)
    }

    /// The tenant's own user, and by convention the one that it shares with all tenants whose vhosts that may enter.
    fn users(&self, tenant: &Tenant) -> Vec<String> {
        let vhost = &tenant.slices.rabbitmq.vhost;
        let common = self.common.iter().filter(|(_, vhosts)| vhosts.contains(vhost)).map(|(user, _)| user);
        common.cloned().chain([definitions::user(tenant)]).collect()
    }

    /// Its users' connections are ended in the tenant's vhost.
    fn terminating(&self, tenant: &Tenant) -> String {
        let users: Vec<_> = self.users(tenant).iter().map(|user| literal(user)).collect();
        let vhost = literal(&tenant.slices.rabbitmq.vhost);
        TERMINATE.replace("$VHOST", &vhost).replace("$USERS", &users.join(","))
    }
}

/// About the tenant's queues, under a policy's name of its own.
fn limiting(expression: &str, tenant: &Tenant) -> String {
    let slice = &tenant.slices.rabbitmq;
    let pattern = slice.queues.as_deref().map_or_else(|| String::from(".*"), definitions::anchored);
    let name = format!("bulkhead-limit-{}", tenant.name);
    let texts = [&*slice.vhost, &*name, &*pattern].map(literal);
    expression.replace("$TEXTS", &texts.join(","))
}
