//! An evaluator inside the running node, behind a Unix socket in the node's own folder.
//!
//! The programs that evaluate an expression from outside join the node's cluster for each one: a name lookup, a
//! handshake and a goodbye, which a busy node can refuse. One of them opens this console once; after that an
//! expression costs a write and a read, and there is no handshake to fail. Only we can enter the folder.

use std::path::{Path, PathBuf};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
};

use super::bridge::{Bridges, PORT};
use crate::{backends::docker::Inside, error::Cause};

/// The longest path that a Unix socket can have, less the final zero (`unix(7)`).
const LONGEST: usize = 107;

/// The largest answer that is read, in bytes.
const LARGEST: u32 = 16 * 1024 * 1024;

/// Opens the console: messages both ways are preceded by their length in four bytes. An answer begins with `+` when
/// the rest is the value, a text as it is between quotes as `erl_call` prints it, and with `-` when it is the reason
/// why there is none.
const OPEN: &str = r#"
Shown = fun(Value) ->
    case Value =/= [] andalso io_lib:printable_latin1_list(Value) of
        true -> [$", Value, $"];
        false -> io_lib:format("~0tp", [Value])
    end
end,
Answer = fun(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(Text),
        {ok, Expressions} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Expressions, []),
        ["+", Shown(Value)]
    catch
        Class:Reason -> ["-", io_lib:format("~0tp", [{Class, Reason}])]
    end
end,
Serve = fun Serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Bytes} ->
            Said = unicode:characters_to_binary(Answer(unicode:characters_to_list(Bytes))),
            gen_tcp:send(Socket, Said),
            Serve(Socket);
        {error, _} -> gen_tcp:close(Socket)
    end
end,
Accept = fun Accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Server = spawn(fun() -> receive yours -> Serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Server),
    Server ! yours,
    Accept(Listener)
end,
Caller = self(),
Console = spawn(fun() ->
    group_leader(whereis(user), self()),
    $BEFORE,
    {ok, Listener} = gen_tcp:listen($AT, [binary, {packet, 4}, {active, false}, {reuseaddr, true}]),
    Caller ! {self(), open},
    Accept(Listener)
end),
receive {Console, open} -> ok after 5000 -> closed end"#;

/// The console's place.
#[derive(Clone, Debug)]
pub(super) enum Console {
    /// A socket in the node's own folder.
    Socket(PathBuf),
    /// A port on a container's own loopback.
    Inside(Bridges),
}

impl Console {
    /// The console of the node in this folder; none where the folder's path leaves no room for a socket's.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let path = dir.join("console");
        (path.as_os_str().len() <= LONGEST).then_some(Self::Socket(path))
    }

    /// The console of the node in a container.
    pub(super) fn inside(inside: Inside) -> Self {
        Self::Inside(Bridges::to(inside))
    }

    /// The expression that opens it, whose value is `ok`.
    pub(super) fn opening(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let (before, at) = match self {
            Self::Socket(path) => {
                let path = STANDARD.encode(path.as_os_str().as_encoded_bytes());
                let path = format!("binary_to_list(base64:decode(\"{path}\"))");
                (format!("file:delete({path})"), format!("0, [{{ifaddr, {{local, {path}}}}}] ++ "))
            }
            Self::Inside(_) => (String::from("ok"), format!("{PORT}, [{{ip, {{127,0,0,1}}}}] ++ ")),
        };
        OPEN.replace("$BEFORE", &before).replace("$AT, ", &at)
    }

    /// The value of an expression without its final stop.
    pub(super) async fn eval(&self, expression: &str) -> Result<String, Cause> {
        let text = format!("{expression}.");
        let answer = match self {
            Self::Socket(path) => {
                let mut socket = UnixStream::connect(path).await?;
                ask(&mut socket, &text).await?;
                answer(&mut socket).await?
            }
            Self::Inside(bridges) => {
                let mut bridge = bridges.take().await?;
                ask(&mut bridge.input, &text).await?;
                let answer = answer(&mut bridge.output()).await?;
                // One that failed, or that nobody waited for, is not used again.
                bridges.give_back(bridge);
                answer
            }
        };
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match (answer.strip_prefix('+'), answer.strip_prefix('-')) {
            (Some(value), _) => Ok(value.to_owned()),
            (None, Some(reason)) => Err(reason.into()),
            (None, None) => Err(format!("the console answered `{answer}`").into()),
        }
    }
}

async fn ask(to: &mut (impl AsyncWrite + Unpin), text: &str) -> Result<(), Cause> {
    to.write_u32(u32::try_from(text.len())?).await?;
    to.write_all(text.as_bytes()).await?;
    Ok(to.flush().await?)
}

async fn answer(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Cause> {
    let length = from.read_u32().await?;
    if length > LARGEST {
        return Err(format!("the answer has {length} bytes, more than {LARGEST}").into());
    }
    let mut answer = vec![0; usize::try_from(length)?];
    from.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Console;

    #[test]
    fn a_folder_too_deep_for_a_socket_has_none() {
        assert!(Console::of(Path::new("/tmp/run/rabbitmq")).is_some());
        assert!(Console::of(&Path::new("/tmp").join("x".repeat(100))).is_none());
    }
}
