#!/bin/sh
IMAGE="python:3.12@sha256:abababababababababababababababababababababababababababababababab" # pinstream: python:3.12

# pinstream: redis:7
	docker run --rm quay.io/acme/redis:7.4@sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd redis-cli
echo python:3
