//! What there is in a vhost, which AMQP tells nobody: asked of the node itself.

use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};
use bulkhead_model::Tenant;

use super::server::{Server, literal};
use crate::error::Cause;

/// The names of a vhost's queues and exchanges in base64, without the exchanges that every vhost has. Nobody can make one
/// whose name begins as theirs do.
const NAMES: &str = r#"
VHost = base64:decode($VHOST),
Own = fun(Name) -> Name =/= <<>> andalso binary:longest_common_prefix([Name, <<"amq.">>]) < 4 end,
Queues = [element(4, amqqueue:get_name(Queue)) || Queue <- rabbit_amqqueue:list(VHost)],
Exchanges = [element(4, element(2, Exchange)) || Exchange <- rabbit_exchange:list(VHost)],
Names = [base64:encode_to_string(Name) || Name <- Queues ++ lists:filter(Own, Exchanges)],
lists:flatten(lists:join(",", Names))"#;

impl Server {
    /// The names of every queue and exchange in the tenant's vhost.
    pub(super) async fn vhost_names(&self, tenant: &Tenant) -> Result<Vec<String>, Cause> {
        let vhost = literal(&tenant.slices.rabbitmq.vhost);
        let told = self.node.caller.eval(&NAMES.replace("$VHOST", &vhost)).await?;
        Ok(read(&told)?)
    }
}

/// The names in a node's answer: a string that one way of asking puts in quotes and breaks into lines, or an empty list.
fn read(told: &str) -> Result<Vec<String>, DecodeError> {
    let told: String = told.chars().filter(|c| !c.is_whitespace() && !['"', '[', ']'].contains(c)).collect();
    let names = told.split(',').filter(|name| !name.is_empty());
    names.map(|name| Ok(String::from_utf8_lossy(&STANDARD.decode(name)?).into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn names_are_read_however_the_node_was_asked() {
        for told in ["dGFza3M=,ZW5naW5lOmFwcA==", "\"dGFza3M=,ZW5n\"\n \"aW5lOmFwcA==\""] {
            assert_eq!(read(told).unwrap(), ["tasks", "engine:app"], "{told}");
        }
        for nothing in ["[]", "\"\"", ""] {
            assert_eq!(read(nothing).unwrap(), Vec::<String>::new(), "{nothing}");
        }
        read("{error,timeout}").unwrap_err();
    }
}
