# Base images.
variable "BASE_IMAGE" { default = "python@sha256:abababababababababababababababababababababababababababababababab" }

target "web" {
  contexts = {
    base = "docker-image://docker.io/library/python@sha256:abababababababababababababababababababababababababababababababab", src = "."
  }
  dockerfile-inline = <<-EOT
    FROM python:3
  EOT
}
