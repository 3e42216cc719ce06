//! The management API: a plugin that is started when somebody first asks for it, because it costs a boot a third more.
//!
//! It listens on loopback over TLS with the server's certificate. Tenants have no user tag and are refused, which the
//! probes that go through it see.

use std::net::Ipv4Addr;

use bulkhead_model::Service;

use super::{
    config::{self, string},
    node::free_port,
    server::{Origin, Server},
};
use crate::{Error, private};

/// Turns the plugin on as `rabbitmq-plugins enable` does, and returns when it listens.
const ENABLE: &str = r#"
rabbit:await_startup(),
application:set_env(rabbitmq_management, listener, $LISTENER, [{persistent, true}]),
case rabbit_plugins:ensure($FILE) of
    {ok, _, _} -> ok;
    Other -> lists:flatten(io_lib:format("~tp", [Other]))
end"#;

/// Starts the API.
pub(super) async fn enable(server: &Server) -> Result<String, Error> {
    let failed = || Error::serve(Service::Rabbitmq, "start the management API");
    let file = server.dir.join("enabled_plugins");
    private::write(&file, "[rabbitmq_management].\n", 0o600)?;
    let (port, listens) = match &server.origin {
        Origin::Process(_) => (free_port()?, Ipv4Addr::LOCALHOST),
        Origin::Container(contained) => {
            server.node.beam.put(&file).await.map_err(failed())?;
            (contained.management, Ipv4Addr::UNSPECIFIED)
        }
    };
    let listener = config::listener(listens, port, &server.identity);
    let expression =
        ENABLE.replace("$LISTENER", &listener).replace("$FILE", &string(&file.to_string_lossy()));
    server.evaluate(&expression).await.map_err(|error| failed()(error.into()))?;
    Ok(format!("https://127.0.0.1:{port}"))
}
