//! Registries for tests: Debian's `docker-registry`, a fake one that lies on request, nginx in front of it, and images to push to them.

pub(crate) mod docker;
pub(crate) mod fake;
pub(crate) mod http;
pub(crate) mod image;
pub(crate) mod nginx;
pub(crate) mod tls;

pub(crate) use docker::DockerRegistry;
pub(crate) use fake::FakeRegistry;
pub(crate) use image::Image;
