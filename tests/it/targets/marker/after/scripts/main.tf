image = "quay.io/acme/redis:7.4@sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd" // pinstream: redis:7 the cache
