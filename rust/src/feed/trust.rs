//! Whom TLS trusts: the authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), those that browsers
//! agree on, and those of the option `ca_file`. WebSocket and REST take the same configuration.

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, TrustAnchor, pem::PemObject},
};
use std::{
    fmt,
    sync::{Arc, LazyLock, OnceLock},
};

/// Further authorities, and the configuration that trusts them and all the others.
#[derive(Clone, Default)]
pub struct Trust {
    further: Vec<TrustAnchor<'static>>,
    /// Made when it is first needed, and shared.
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Trust {
    /// Trusts the authorities of this PEM file too; the error says what is wrong with it.
    pub fn with_file(path: &str) -> Result<Self, String> {
        let unread = |error: &dyn fmt::Display| format!("{path:?} cannot be read: {error}");
        let pem = std::fs::read(path).map_err(|error| unread(&error))?;
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unread(&error))?;
            store
                .add(certificate)
                .map_err(|error| format!("{path:?} has a certificate that is none: {error}"))?;
        }
        if store.is_empty() {
            return Err(format!("{path:?} has no certificate in PEM"));
        }
        Ok(Self {
            further: store.roots,
            config: Arc::default(),
        })
    }

    /// The configuration of every TLS connection.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let make = || {
            let mut store = AUTHORITIES.clone();
            store.extend(self.further.iter().cloned());
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider has the default versions of TLS")
                .with_root_certificates(store)
                .with_no_client_auth();
            Arc::new(config)
        };
        self.config.get_or_init(make).clone()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let further = self.further.len();
        write!(f, "Trust({further} further authorities)")
    }
}

/// The authorities that need no option. A system without any, or with some that are not understood, has the others.
static AUTHORITIES: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in system.errors {
        tracing::warn!(%error, "an authority of the system cannot be read");
    }
    let (added, ignored) = store.add_parsable_certificates(system.certs);
    tracing::debug!(added, ignored, "authorities of the system");
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    store
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorities_are_the_system_s_and_those_of_the_browsers() {
        let browsers = webpki_roots::TLS_SERVER_ROOTS.len();
        let system = rustls_native_certs::load_native_certs().certs.len();
        assert!(AUTHORITIES.len() >= browsers);
        assert!(AUTHORITIES.len() <= browsers + system);
        let first = &webpki_roots::TLS_SERVER_ROOTS[0];
        assert!(AUTHORITIES.roots.contains(first));
    }

    #[test]
    fn the_configuration_is_made_once_and_shared_by_clones() {
        let trust = Trust::default();
        assert!(Arc::ptr_eq(&trust.config(), &trust.clone().config()));
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_by_its_name() {
        let error = Trust::with_file("/no/such/file.pem").unwrap_err();
        assert!(
            error.starts_with("\"/no/such/file.pem\" cannot be read: "),
            "{error}"
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = Trust::with_file(path).unwrap_err();
        assert!(error.ends_with("has no certificate in PEM"), "{error}");
    }
}
