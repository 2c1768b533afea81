#!/bin/sh
IMAGE="python:3" # pinstream: python:3.12

# pinstream: redis:7
	docker run --rm quay.io/acme/redis redis-cli
echo python:3
