//! What befalls a tenant's connections and messages though the broker is well: done on the node itself, as its
//! administrator's tools would.

use bulkhead_model::{Service, Tenant};

use super::{
    definitions,
    server::{Server, literal},
};
use crate::{Error, ServiceFault};

/// Ends connections as `rabbitmqctl close_connection` does, each by a process of its own, because one that writes to a
/// client which reads nothing is not in a hurry. A metric is asked who they are, because it answers at once.
const TERMINATE: &str = r#"
VHost = base64:decode($VHOST),
Users = [base64:decode(User) || User <- [$USERS]],
Pids = [Pid || {Pid, Infos} <- ets:tab2list(connection_created),
    proplists:get_value(vhost, Infos) =:= VHost, lists:member(proplists:get_value(user, Infos), Users)],
[spawn(fun() -> rabbit_networking:close_connection(Pid, "closed by the administrator") end) || Pid <- Pids],
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

impl Server {
    /// Begins a fault or undoes it; it touches connections that it ends or blocks, and queues that it limits.
    pub(super) async fn befall(
        &self,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        let expression = match (fault, begins) {
            (ServiceFault::Terminate, true) => self.terminating(tenant),
            (ServiceFault::MemoryAlarm, true) => RAISE.replace("$RESOURCE", "memory"),
            (ServiceFault::MemoryAlarm, false) => CLEAR.replace("$RESOURCE", "memory"),
            (ServiceFault::DiskAlarm, true) => RAISE.replace("$RESOURCE", "disk"),
            (ServiceFault::DiskAlarm, false) => CLEAR.replace("$RESOURCE", "disk"),
            (ServiceFault::QueueLimit, true) => limiting(LIMIT, tenant),
            (ServiceFault::QueueLimit, false) => limiting(UNLIMIT, tenant),
            _ => return Ok(0),
        };
        let failed =
            Error::serve(Service::Rabbitmq, format!("begin or undo {fault:?} for tenant `{}`", tenant.name));
        match self.node.caller.eval(&expression).await {
            Ok(value) => match value.parse() {
                Ok(touched) => Ok(touched),
                Err(_) => Err(failed(value.into())),
            },
            Err(error) => Err(failed(error)),
        }
    }

    /// By convention the login is that of all tenants whose vhosts it may enter; it is ended in the tenant's vhost.
    fn terminating(&self, tenant: &Tenant) -> String {
        let vhost = &tenant.slices.rabbitmq.vhost;
        let common = self.common.iter().filter(|(_, vhosts)| vhosts.contains(vhost)).map(|(user, _)| user);
        let users: Vec<_> =
            common.map(|user| literal(user)).chain([literal(&definitions::user(tenant))]).collect();
        TERMINATE.replace("$VHOST", &literal(vhost)).replace("$USERS", &users.join(","))
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
