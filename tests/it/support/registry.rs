//! Registries for tests: Debian's, a fake one, and images.

pub(crate) mod docker;
pub(crate) mod fake;
pub(crate) mod http;
pub(crate) mod image;
pub(crate) mod tls;

pub(crate) use docker::DockerRegistry;
pub(crate) use fake::FakeRegistry;
pub(crate) use image::Image;
