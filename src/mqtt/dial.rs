//! Opens the TCP connection: name to addresses, addresses in turn.
//!
//! Its own, because the errors must say which step failed, and because an IPv6 address must not
//! be glued to its port as text.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpStream, lookup_host};

/// How long one address may take to answer.
const PER_ADDRESS: Duration = Duration::from_secs(5);

/// Which step failed. Travels inside an [`io::Error`] through the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the name {host} cannot be resolved: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("{address}: {source}")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
}

/// Connects for as long as the connection lives: it is given up when what was sent is not
/// acknowledged within `patience`. On a link that swallows everything, a write would otherwise be
/// repeated for a quarter of an hour, and no ping would be asked for meanwhile.
pub(super) async fn dial_for_long(
    host: String,
    port: u16,
    patience: Duration,
) -> io::Result<TcpStream> {
    let stream = dial(host, port).await?;
    let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, patience)?;
    Ok(stream)
}

/// Connects to the first address of `host` that answers.
pub(super) async fn dial(host: String, port: u16) -> io::Result<TcpStream> {
    let resolve = |source| {
        io::Error::other(DialError::Resolve {
            host: host.clone(),
            source,
        })
    };
    let addresses = lookup_host((host.as_str(), port)).await.map_err(resolve)?;
    let mut last = None;
    for address in addresses {
        match tokio::time::timeout(PER_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A PUBREL is four bytes and somebody waits for it.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(source)) => last = Some((address, source)),
            Err(_) => last = Some((address, io::ErrorKind::TimedOut.into())),
        }
    }
    Err(match last {
        Some((address, source)) => io::Error::other(DialError::Connect { address, source }),
        None => resolve(io::Error::other("the name has no address")),
    })
}
