# Base images.
variable "BASE_IMAGE" { default = "python:3" }

target "web" {
  contexts = {
    base = "docker-image://docker.io/library/python:3", src = "."
  }
  dockerfile-inline = <<-EOT
    FROM python:3
  EOT
}
