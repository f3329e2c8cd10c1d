//! A server on loopback that speaks Binance spot's public protocol, for benchmarks.
//!
//! Usage: `blast <trades|mixed|l1|l2:LEVELS|paced:RATE|idle> [CA_FILE]`; prints `127.0.0.1:<port>` and serves until it
//! is killed. With a file it speaks TLS by the name `localhost`, and writes the certificate to trust into the file.

use barter_bench::{Outcome, serve::Server, workload::Workload};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().ok_or("usage: blast WORKLOAD [CA_FILE]")?;
    let server = Server::new(Workload::parse(&workload)?);
    let tls = arguments.next().map(|path| acceptor(&path)).transpose()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    server.run(listener, tls).await
}

fn acceptor(path: &str) -> Outcome<TlsAcceptor> {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    std::fs::write(path, made.cert.pem())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
